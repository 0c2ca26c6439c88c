"""Pure arithmetic and policy: no I/O, no clock, no framework; every amount exact, every rule versioned."""

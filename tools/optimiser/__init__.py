"""Which lots to sell and what to buy: an optimiser over tax lots, and all that imports numpy, scipy and Clarabel."""

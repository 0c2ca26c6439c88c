"""Which lots to sell and what to buy: an optimiser over tax lots; numpy, scipy and Clarabel are imported by it alone."""

"""Training and evaluation of the learned fraud scorer; nothing here runs when a payment is scored."""

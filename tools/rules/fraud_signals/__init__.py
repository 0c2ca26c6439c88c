"""What speaks against a payment, each signal by itself: pure functions over the payment's background."""

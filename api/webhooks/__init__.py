"""Webhooks: what is told of a run's end to the address it named, and where that may be."""

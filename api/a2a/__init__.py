"""Countersign for agents that speak A2A. Nothing here is imported unless COUNTERSIGN_A2A switches it on: its SDK is an
extra, `countersign[a2a]`."""

"""Graphs as teams write them, served from `langgraph.json` files."""

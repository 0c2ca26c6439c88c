"""What agents can do: typed operations and their SQL."""

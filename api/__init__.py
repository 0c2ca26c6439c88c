"""Everything that has a process: HTTP, workers, command line."""

"""An agent that asks a person before it uses a tool, with relative imports."""

"""A ReAct agent, laid out as a template: `src` below the project, its own files imported by the package's name."""

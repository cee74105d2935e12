"""Building a mesh: an engine, the history of its spec, its file, and the commands that run."""

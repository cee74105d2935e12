"""A mesh that is being built: an engine, the history of its spec, its file; commands run here."""

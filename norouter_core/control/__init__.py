"""The control socket: a session that runs, spoken to by other programs of the same user."""

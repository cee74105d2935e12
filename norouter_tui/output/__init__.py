"""Output for every front end: events, tables, units, hex dumps, writers."""

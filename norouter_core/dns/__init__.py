"""DNS for the mesh: its own names, names that routes claim, and everyone else's resolvers."""

"""Forms and questions over the screen. They make calls, and hold nothing of the mesh."""

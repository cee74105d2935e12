"""Forms and questions over the screen: each makes command lines, and holds nothing of the mesh."""

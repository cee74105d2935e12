"""What a run is: the session host, headless runs, child commands, reloads, running meshes."""

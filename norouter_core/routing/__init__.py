"""Where a connection goes: to a host of the mesh, through one, or straight out."""

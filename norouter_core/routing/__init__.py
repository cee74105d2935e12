"""Routing of proxied connections: to a host of the mesh, through one, or directly."""

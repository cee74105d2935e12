"""The link protocol without I/O, shared by hub and agent. SPEC.md here is the reference.

Standard library only, Python 3.8 syntax: this package travels to every host.
"""

"""A command inside the mesh: in a network namespace of its own, all of whose connections norouter
carries.
"""

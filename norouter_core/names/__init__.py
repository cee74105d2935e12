"""The mesh's names as files on its hosts: what stands in them, and who gets which."""

"""The mesh's names as files on its hosts."""

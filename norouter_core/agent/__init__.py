"""What runs on a host. Standard library only, Python 3.8 syntax: it travels over the link."""

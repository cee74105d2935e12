"""A host's link: over an exec command's stdio, or in process for this machine."""

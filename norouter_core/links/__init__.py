"""The link to a host: over an exec command's stdio (`stdio`), or in process (`local`)."""

"""The vocabulary: what may be said, how it is read, how it maps a spec to the next. No I/O."""

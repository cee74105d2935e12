"""The commands: their grammar, calls as values, and edits from one spec to the next. No I/O."""

"""The parts of `norouter_core.bootstrap.diagnose`: kinds, the command's shape, clues, endings."""

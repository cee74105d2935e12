"""The commands of the programs `norouter` and `norouter-tui`."""

"""The engine: it applies a spec, supervises the hosts, relays streams and decides on access."""

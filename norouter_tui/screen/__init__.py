"""The full screen: a Textual app over a session that runs in a thread of its own."""

"""The REPL: a session behind a prompt, in this process or behind a control socket."""

"""Everything that norouter knows about docker exec, kubectl exec, ssh and other exec programs.

- `programs`: how to read their arguments, as data; `command` parses a command with it, corrects it,
  and plans the start of an agent behind it.
- `pasted`, `lint`, `discovery`: what a pasted command means, which mistakes it has, what this
  machine could join.
- `problem`, `diagnosis`: from the evidence of a failed start to a message and a hint.
  `stderr_patterns` holds the table of what programs print, `rules` what can be concluded without,
  `templates` the values and phrases of messages.

To add a program, add a row to `programs.GRAMMARS`. With `names` it also takes part in discovery.

To add a hint for what a program prints, add a row to `stderr_patterns`, and the real output to
`tests/exec_commands/evidence_data`: a test fails for a row that no evidence needs. To add one for
what a program does without printing, add a rule to `rules`.
"""

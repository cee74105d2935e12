"""The verbs, one small file per group: data that `norouter_core.commands.registry` gathers."""

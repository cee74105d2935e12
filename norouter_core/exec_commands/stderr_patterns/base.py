"""A row of the tables, and what several of them share."""

from __future__ import annotations

from dataclasses import dataclass

from norouter_core.exec_commands.command import ExecCommand
from norouter_core.exec_commands.problem import ProblemKind, Stage

ENGINES = "docker podman nerdctl compose docker-compose podman-compose"
KUBE = "kubectl oc"
LXD = "lxc incus"


@dataclass(frozen=True, slots=True)
class StderrPattern:
    """A line that explains why a start failed.

    A hostile host may have written the line that `pattern` is searched in. No two repeating parts
    of it may match the same text, or one line could take quadratic time.
    """

    kind: ProblemKind
    pattern: str
    message: str
    """A template over the pattern's named groups and `templates.template_values`."""
    hint: str
    """A template as well."""
    instead: str = ""
    """A template of a command to use instead."""
    printed_by: str = ""
    """The programs that print it, separated by spaces; empty if the text is unmistakable."""
    about: str = ""
    """The programs whose target it is about; empty for those that print it, or the innermost."""
    stages: tuple[Stage, ...] = ()
    """The stages in which it counts; empty for all."""
    statuses: tuple[int, ...] = ()
    """The exit statuses with which it counts; empty for all."""

    def applies_to(self, command: ExecCommand, stage: Stage, status: int | None) -> bool:
        """Return whether the row counts for this failure."""
        return (
            command.may_run(frozenset(self.printed_by.split()))
            and (not self.stages or stage in self.stages)
            and (not self.statuses or status in self.statuses)
        )

"""The shape of a verb, as data: words, arguments, options, help."""

from __future__ import annotations

from dataclasses import dataclass

from norouter_core.commands.argument_types import ArgumentType


@dataclass(frozen=True, slots=True)
class Argument:
    """A positional argument of a verb.

    With `many`, there can be several. Only the last can be `optional` or `many`. An argument of
    type CMD takes what follows `--`.
    """

    name: str
    type: ArgumentType
    about: str
    optional: bool = False
    many: bool = False

    @property
    def shown(self) -> str:
        name = f"-- {self.name.upper()}..." if self.type is ArgumentType.CMD else self.name.upper()
        if self.many and self.type is not ArgumentType.CMD:
            name += "..."
        return f"[{name}]" if self.optional else name


@dataclass(frozen=True, slots=True)
class Option:
    """`--name VALUE`, or a flag `--name` if it has no type. With `many`, it can be repeated."""

    name: str
    type: ArgumentType | None
    about: str
    metavar: str = ""
    many: bool = False

    @property
    def flag(self) -> str:
        return f"--{self.name}"

    @property
    def shown(self) -> str:
        value = f" {self.metavar or self.type.upper()}" if self.type else ""
        return f"[{self.flag}{value}]" + ("..." if self.many else "")


JSON = Option("json", None, "print rows as JSON, one object per line")
WAIT = Option("wait", None, "wait until it is ready, or fail with the reason")
TIMEOUT = Option("timeout", ArgumentType.SECONDS, "how long to wait at most (60s)", "TIME")


@dataclass(frozen=True, slots=True)
class Verb:
    """A command that users can type.

    `examples` can be run in their order. The verb changes the mesh if `changes`, returns tables and
    takes `--json` if `lists`, outputs until it is interrupted if `streams`, and takes `--wait` if
    `waits`.
    """

    words: tuple[str, ...]
    summary: str
    about: str = ""
    arguments: tuple[Argument, ...] = ()
    options: tuple[Option, ...] = ()
    aliases: tuple[tuple[str, ...], ...] = ()
    examples: tuple[str, ...] = ()
    changes: bool = False
    lists: bool = False
    streams: bool = False
    waits: bool = False

    @property
    def name(self) -> str:
        return " ".join(self.words)

    @property
    def all_options(self) -> tuple[Option, ...]:
        """Its own options and the common ones."""
        waiting = (WAIT, TIMEOUT) if self.waits else ()
        return (*self.options, *waiting, *((JSON,) if self.lists else ()))

    @property
    def parameters(self) -> tuple[Argument | Option, ...]:
        """Its arguments, then its options."""
        return (*self.arguments, *self.all_options)

    def parameter(self, name: str) -> Argument | Option | None:
        """Return the argument or option of a name; None if there is none."""
        return next((each for each in self.parameters if each.name == name), None)

    @property
    def usage(self) -> str:
        """Return `host add [NAME] [--vip VIP] ... [-- CMD...]`, for example."""
        return " ".join((self.name, *self.usage_parts))

    @property
    def usage_parts(self) -> tuple[str, ...]:
        """The parts of `usage` after the name."""
        places = [
            argument.shown for argument in self.arguments if argument.type is not ArgumentType.CMD
        ]
        command = [
            argument.shown for argument in self.arguments if argument.type is ArgumentType.CMD
        ]
        options = [option.shown for option in self.all_options]
        return (*places, *options, *command)

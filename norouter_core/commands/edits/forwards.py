"""Lists of port forwards: what is added, removed, retargeted."""

from __future__ import annotations

from collections.abc import Sequence

from norouter_core.commands.call import Call
from norouter_core.commands.edits.base import EditError
from norouter_core.manifest.values import taken_message
from norouter_core.model import Forward

Key = tuple[int, str]
"""Listen port and protocol: what a host publishes once."""


def key(forward: Forward) -> Key:
    return forward.listen, forward.proto


def key_text(of: Key) -> str:
    return str(of[0]) if of[1] == "tcp" else f"{of[0]}/{of[1]}"


def added(
    ports: Sequence[Forward], new: Sequence[Forward], owner: str, argument: str
) -> tuple[Forward, ...]:
    """The ports with new ones after them; `owner` is whose they are.

    Raises:
        EditError: a listen port is taken.
    """
    found = {key(forward): forward for forward in ports}
    for number, forward in enumerate(new):
        first = found.get(key(forward))
        if first is not None:
            hint = "publish it at another listen port, or use `port retarget`"
            raise EditError(taken_message(owner, first), hint, argument, number)
        found[key(forward)] = forward
    return tuple(found.values())


def removed(ports: Sequence[Forward], call: Call, argument: str, owner: str) -> tuple[Forward, ...]:
    """The ports without those that an argument names.

    Raises:
        EditError: one of them is not there.
    """
    found = {key(forward): forward for forward in ports}
    for number, wanted in enumerate(call.all(argument)):
        if wanted not in found:
            raise missing(ports, wanted, owner, argument, number)
        del found[wanted]
    return tuple(found.values())


def missing(
    ports: Sequence[Forward], wanted: Key, owner: str, argument: str, number: int = 0
) -> EditError:
    listed = ", ".join(key_text(key(forward)) for forward in ports[:8])
    hint = f"it publishes {listed}" if listed else "it publishes none"
    message = f"{owner} does not publish port {key_text(wanted)}"
    return EditError(message, hint, argument, number)

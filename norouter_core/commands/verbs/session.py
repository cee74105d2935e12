"""Verbs about the session: history, file, help, end."""

from __future__ import annotations

from norouter_core.commands.argument_types import ArgumentType
from norouter_core.commands.verb import Argument, Option, Verb

_TIMES = (Argument("times", ArgumentType.COUNT, "how many changes (1)", optional=True),)

HISTORY = (
    Verb(
        ("undo",),
        "take the last change back",
        arguments=_TIMES,
        aliases=(("u",),),
        examples=("port add app 90", "undo"),
        changes=True,
        waits=True,
    ),
    Verb(
        ("redo",),
        "make the change again that was taken back",
        arguments=_TIMES,
        examples=("port add app 90", "undo", "redo"),
        changes=True,
        waits=True,
    ),
)

FILES = (
    Verb(
        ("diff",),
        "what saving would change in the file",
        examples=("diff",),
    ),
    Verb(
        ("save",),
        "write the manifest",
        "A file that was loaded keeps its comments, order and quoting.",
        (
            Argument(
                "file",
                ArgumentType.FILE,
                "where; the session's own file if left out",
                optional=True,
            ),
        ),
        (Option("force", None, "replace a file that is there"),),
        examples=("save {folder}/saved.yaml",),
    ),
    Verb(
        ("load",),
        "make the mesh that of a manifest",
        "What both have stays up. `undo` brings the old mesh back.",
        (Argument("file", ArgumentType.FILE, "a manifest"),),
        (Option("keep", None, "`save` goes on to write to the session's own file"),),
        examples=("save {folder}/other.yaml", "load {folder}/other.yaml"),
        changes=True,
        waits=True,
    ),
    Verb(
        ("export",),
        "print the manifest as it would be saved",
        examples=("export",),
    ),
    Verb(
        ("revert",),
        "take back all that is not saved",
        "The mesh becomes that of the session's file again. `undo` brings the changes back.",
        examples=("revert",),
        changes=True,
    ),
    Verb(
        ("recover",),
        "list unsaved work of sessions that ended, or bring it back",
        "Without a number, what there is; with one, the mesh becomes that one.",
        (Argument("number", ArgumentType.COUNT, "as the list shows it", optional=True),),
        (Option("drop", None, "forget it instead"),),
        examples=("recover",),
        changes=True,
        lists=True,
    ),
)

SESSION = (
    Verb(
        ("help",),
        "all verbs, or one in full",
        arguments=(Argument("verb", ArgumentType.VERB, "a verb", optional=True, many=True),),
        options=(Option("markdown", None, "the reference of all verbs"),),
        aliases=(("?",), ("h",)),
        examples=("help", "help host add"),
    ),
    Verb(
        ("quit",),
        "end the session, and the mesh",
        "Changes that are not saved are kept for `recover`, where nobody is asked.",
        options=(
            Option("save", None, "save first"),
            Option("discard", None, "give up what is not saved"),
        ),
        aliases=(("exit",), ("q",), ("bye",)),
        examples=("quit",),
    ),
)

"""What each verb does, by its name; `norouter_core.commands.registry` says what it takes."""

from __future__ import annotations

from norouter_core.session.handlers.base import Handler
from norouter_core.session.handlers.changes import CHANGES
from norouter_core.session.handlers.queries import QUERIES
from norouter_core.session.handlers.runtime import RUNTIME

HANDLERS: dict[str, Handler] = {**CHANGES, **RUNTIME, **QUERIES}

"""What is done for each verb, by its name; `norouter_core.commands.registry` says what it takes."""

from __future__ import annotations

from norouter_core.session.handlers.base import Handler
from norouter_core.session.handlers.edits import EDITING
from norouter_core.session.handlers.files import FILES
from norouter_core.session.handlers.hosts import ON_HOSTS
from norouter_core.session.handlers.queries import LOOKS
from norouter_core.session.handlers.streams import STREAMS

HANDLERS: dict[str, Handler] = {**EDITING, **ON_HOSTS, **LOOKS, **STREAMS, **FILES}

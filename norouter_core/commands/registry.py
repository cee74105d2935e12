"""Everything that can be said: the one list of verbs that all faces share (design decision D5)."""

from __future__ import annotations

from norouter_core.commands.verb import Verb
from norouter_core.commands.verbs import hosts, ports, queries, session

GROUPS: tuple[tuple[str, tuple[Verb, ...]], ...] = (
    ("Hosts", hosts.HOSTS),
    ("Ports", ports.PORTS),
    ("Routes", ports.ROUTES),
    ("Proxies", ports.PROXIES),
    ("Looking", queries.LISTINGS),
    ("Streams", queries.STREAMS),
    ("On hosts", queries.HOST_TOOLS),
    ("History", session.HISTORY),
    ("Files", session.FILES),
    ("Session", session.SESSION),
)
"""The verbs under their headings, in the order in which they are shown."""

VERBS: tuple[Verb, ...] = tuple(verb for _, verbs in GROUPS for verb in verbs)

BY_WORDS: dict[tuple[str, ...], Verb] = {
    words: verb for verb in VERBS for words in (verb.words, *verb.aliases)
}
"""Every verb by its words, and by those of its aliases."""

FIRST_WORDS: frozenset[str] = frozenset(words[0] for words in BY_WORDS)

LONGEST = max(map(len, BY_WORDS))
"""Of how many words a verb may consist."""

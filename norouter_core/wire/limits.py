"""The protocol's numbers, in bytes unless stated (SPEC.md sections 1, 3 to 6, 9 and 10)."""

from __future__ import annotations

MAGIC = 0x42
HEADER = 8
STREAM_HEADER = 12

MAX_DATA = 256 * 1024
MAX_JSON = 1024 * 1024
MAX_AGENT_JSON = 256 * 1024
"""Of a message of an agent: the hub decodes it in one go, while every other link waits."""
MAX_AGENT_VALUES = 40_000
"""Values in a message of an agent; its longest, a report of 1000 streams, has 10,000. The text of
a file counts as one for each comma, and has at most 32 KiB."""
MAX_STREAM_JSON = 16 * 1024
"""Of the JSON object in OPEN, OPENED and RESET."""
MAX_DATAGRAM_SIZE = 65507
MAX_DEPTH = 32
"""Levels of nesting in a JSON message."""
MAX_HOST = 255
"""Characters of a host's name or address."""
MAX_STREAMS = 16384
MAX_CONTROL_BACKLOG = 4 * 1024 * 1024
MAX_CONTROL_SHARE = 256 * 1024
"""Of unsent control frames on one link that another link has caused; beyond it, the first refuses
new streams of the other."""

EARLY_WINDOW = 16 * 1024
START_WINDOW = 256 * 1024
MAX_WINDOW = 16 * 1024 * 1024
LINK_BUDGET = 64 * 1024 * 1024
MAX_CREDIT = 2**31 - 1

MAX_QUEUED_DATAGRAMS = 64
"""The number of datagrams that may wait to be sent on one stream."""
MAX_QUEUED_DATAGRAM_BYTES = 256 * 1024
MAX_LINK_DATAGRAM_BYTES = 4 * 1024 * 1024
"""Of all streams of a link."""

QUANTUM = 64 * 1024
"""How much a stream sends in its turn while others wait."""

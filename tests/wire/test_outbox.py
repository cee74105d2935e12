"""What is sent next: control first, then streams in turn (SPEC.md section 6)."""

from __future__ import annotations

from norouter_core.wire import frames, messages
from norouter_core.wire.connection import HUB, Connection
from norouter_core.wire.limits import MAX_DATA, MAX_WINDOW, QUANTUM
from norouter_core.wire.stream import Stream


def open_stream(connection: Connection) -> Stream:
    stream = connection.open({"target": ["a", 1]})
    stream.state = "open"
    stream.sending.available = MAX_WINDOW
    return stream


def batch(connection: Connection) -> list[tuple[int, int, int]]:
    """The next frames as (type, stream, size), taken as written."""
    sent: list[tuple[Stream, int]] = []
    connection.outbox.fill(sent)
    data = b"".join(connection.outbox.writing)
    connection.outbox.written(len(data))
    found: list[tuple[int, int, int]] = []
    for kind, stream, payload in frames.Decoder().feed(memoryview(data)):
        found.append((kind, stream, len(payload)))
    return found


def drained(connection: Connection) -> list[tuple[int, int, int]]:
    found = []
    while not connection.outbox.idle:
        found += batch(connection)
    return found


def test_a_lone_stream_sends_large_frames() -> None:
    connection = Connection(HUB)
    stream = open_stream(connection)
    batch(connection)
    connection.send(stream, bytes(3 * MAX_DATA))
    assert [size for _, _, size in drained(connection)] == [MAX_DATA] * 3


def test_streams_that_wait_take_turns() -> None:
    connection = Connection(HUB)
    streams = [open_stream(connection) for _ in range(4)]
    batch(connection)
    for stream in streams:
        connection.send(stream, bytes(8 * QUANTUM))
    order = [number for _, number, _ in drained(connection)]
    for start in range(0, 4 * 7, 4):
        assert sorted(order[start : start + 4]) == [s.id for s in streams], "a turn was skipped"


def test_a_shell_waits_for_one_turn_of_each_other_at_most() -> None:
    connection = Connection(HUB)
    bulk, shell = open_stream(connection), open_stream(connection)
    batch(connection)
    connection.send(bulk, bytes(MAX_WINDOW))
    batch(connection)
    connection.send(shell, b"ls\n")
    sizes = []
    for _, number, size in drained(connection):
        if number == shell.id:
            break
        sizes.append(size)
    assert sum(sizes) <= MAX_DATA + QUANTUM


def test_control_goes_first_and_eof_after_its_data() -> None:
    connection = Connection(HUB)
    stream = open_stream(connection)
    batch(connection)
    connection.send(stream, bytes(MAX_DATA * 2))
    connection.end(stream)
    connection.message(messages.event("ping", {"n": 1}))
    kinds = []
    while not connection.outbox.idle:
        sent: list[tuple[Stream, int]] = []
        connection.outbox.fill(sent)
        for each, _ in sent:
            connection.on_drained(each)
        data = b"".join(connection.outbox.writing)
        connection.outbox.written(len(data))
        kinds += [kind for kind, _, _ in frames.Decoder().feed(memoryview(data))]
    assert kinds == [frames.JSON, frames.DATA, frames.DATA, frames.EOF]


def test_two_turns_of_one_batch_count_as_one_and_end_the_stream_once() -> None:
    connection = Connection(HUB)
    ending, other = open_stream(connection), open_stream(connection)
    batch(connection)
    for stream in (ending, other):
        connection.send(stream, bytes(QUANTUM + 1000))
    connection.end(ending)
    sent: list[tuple[Stream, int]] = []
    connection.outbox.fill(sent)
    assert sent == [(ending, QUANTUM + 1000), (other, QUANTUM + 1000)]
    connection.on_drained(ending)
    connection.on_drained(ending)
    connection.outbox.written(sum(map(len, connection.outbox.writing)))
    assert drained(connection) == [(frames.EOF, ending.id, 0)]


def test_a_partly_written_batch_goes_on_where_it_stopped() -> None:
    connection = Connection(HUB)
    stream = open_stream(connection)
    connection.send(stream, bytes(range(256)) * 40)
    outbox = connection.outbox
    outbox.fill([])
    wanted = b"".join(outbox.writing)
    got = b""
    while outbox.writing:
        piece = b"".join(outbox.writing)[:7]
        got += piece
        outbox.written(len(piece))
    assert got == wanted


def test_a_source_that_waits_for_its_turn_is_called_between_the_others() -> None:
    connection = Connection(HUB)
    queued, waiting = open_stream(connection), open_stream(connection)
    batch(connection)
    connection.outbox.wait_turn(waiting)
    connection.send(queued, bytes(QUANTUM))
    assert connection.outbox.fill([]) is waiting
    assert not connection.outbox.writing
    assert connection.outbox.fill([]) is None
    assert connection.outbox.writing


def test_a_source_that_also_has_bytes_queued_is_called_after_them() -> None:
    connection = Connection(HUB)
    stream = open_stream(connection)
    connection.send(stream, b"early")
    connection.outbox.wait_turn(stream)
    assert connection.outbox.fill([]) is None
    connection.outbox.written(sum(map(len, connection.outbox.writing)))
    assert connection.outbox.fill([]) is stream, "the source would wait for ever"
    assert connection.outbox.idle


def test_what_a_closed_stream_had_to_send_is_dropped() -> None:
    connection = Connection(HUB)
    stream = open_stream(connection)
    batch(connection)
    connection.send(stream, b"never mind")
    connection.reset(stream, "killed", "")
    assert [kind for kind, _, _ in drained(connection)] == [frames.RESET]

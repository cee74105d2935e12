"""What people read: lines made of real events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from norouter_core.engine.events import (
    Event,
    HostChanged,
    ListenerChanged,
    ListenerRemoved,
    Log,
    Ready,
    Stopped,
    StreamOpened,
)
from norouter_core.engine.status import HostState, ListenerState, Status
from norouter_core.sanitize import escape
from norouter_core.session.tables import host_table
from norouter_tui.output.printer import Printer, _Tally, not_ready_lines, published
from norouter_tui.output.units import seconds, size
from tests.output.statuses import PROBLEM, host, listener, stream


class Screen:
    """A printer and what it said."""

    def __init__(self, *, debug: bool = False, expected: int = 0) -> None:
        self.out: list[str] = []
        self.err: list[str] = []
        self.printer = Printer(
            self._take(self.out), self._take(self.err), debug=debug, expected=expected
        )

    def show(self, *events: Event) -> Screen:
        for event in events:
            self.printer.show(event)
        return self

    @staticmethod
    def _take(lines: list[str]) -> Callable[[Text], None]:
        return lambda line: lines.append(line.plain)


def test_a_mesh_comes_up() -> None:
    screen = Screen().show(
        HostChanged(host=host("local", vip="127.0.42.100", command="", agent="")),
        HostChanged(host=host(state=HostState.STARTING, agent="")),
        ListenerChanged(listener=listener(state=ListenerState.PENDING)),
        ListenerChanged(listener=listener()),
        ListenerChanged(listener=listener("web", state=ListenerState.SHARED, note="by local")),
        HostChanged(host=host()),
        Ready(hosts=2, listeners=2),
        Stopped(),
    )
    assert screen.out == [
        "host local ready: 127.0.42.100",
        "host web ready: 127.0.42.101, Python 3.11.2, Linux x86_64",
        "ready: 2 hosts, 1 port",
        "  127.0.42.101:8080 -> web, 127.0.0.1:80",
        "stopped",
    ]
    assert screen.err == []


def test_a_large_mesh_that_comes_up_is_a_few_lines() -> None:
    screen = Screen(expected=30)
    screen.show(*(HostChanged(host=host(f"h{n}")) for n in range(30)))
    ports = [listener(listen=f"127.0.42.101:{n}", bound="") for n in range(100, 200)]
    screen.show(*(ListenerChanged(listener=port) for port in ports))
    screen.show(Ready(hosts=30, listeners=100))
    assert screen.out == ["ready: 30 hosts, 100 ports", "  the 100 ports: norouter ctl ports"]
    # Then each host that comes back has its line.
    screen.show(
        HostChanged(host=host("h1", state=HostState.STARTING)), HostChanged(host=host("h1"))
    )
    assert screen.out[2:] == ["host h1 ready: 127.0.42.101, Python 3.11.2, Linux x86_64"]


def test_ports_that_fail_by_the_thousand_are_one_line() -> None:
    def changed(number: int, at: float, state: ListenerState) -> ListenerChanged:
        note = "in use" if state is ListenerState.FAILED else ""
        shown = listener(listen=f"127.0.42.101:{number}", state=state, bound="", note=note)
        return ListenerChanged(at=100 + at, listener=replace(shown, on_host=f"h{number // 2000}"))

    screen = Screen()
    for number in range(1000, 5000):
        screen.show(changed(number, number / 1000, ListenerState.FAILED))
    assert len(screen.err) == 8 + 1  # and a hint for the first
    screen.show(Log(at=110, level="debug", host="", text="later"))
    assert screen.err[9:] == ["3992 more ports failed on 3 hosts"]
    # What had no line of its own has none when it is served again.
    for number in range(1000, 5000):
        screen.show(changed(number, 20, ListenerState.BOUND))
    assert [line.split()[1] for line in screen.out] == [
        f"127.0.42.101:{number}" for number in range(1000, 1008)
    ]
    # Then every failure counts again.
    screen.show(changed(1, 30, ListenerState.FAILED), Stopped())
    assert len(screen.err) == 11 and "127.0.42.101:1 on h0 failed" in screen.err[10]


def test_an_agent_that_takes_long_to_arrive_is_a_line_now_and_then() -> None:
    steps = [(0.5, 0), (1.9, 40), (2.0, 64), (3.0, 128), (6.9, 256), (7.0, 300), (9.0, 512)]
    sending = [
        HostChanged(
            at=100 + at,
            host=host(
                state=HostState.BOOTSTRAPPING,
                since=100.0,
                agent_received=received * 1024,
                agent_size=512 * 1024,
            ),
        )
        for at, received in steps
    ]
    screen = Screen().show(*sending, HostChanged(host=host()))
    assert screen.err == [
        "host web: sending the agent: 64 of 512 KiB (12 %)",
        "host web: sending the agent: 300 of 512 KiB (58 %)",
    ]


def test_the_address_to_use_is_where_this_machine_really_listens() -> None:
    screen = Screen().show(
        HostChanged(host=host()),
        HostChanged(host=host("local", command="")),
        ListenerChanged(listener=listener("web")),
        ListenerChanged(listener=listener(bound="127.0.0.1:49152", note="ifconfig lo0 alias ...")),
        Ready(hosts=2, listeners=2),
    )
    assert screen.out[2] == (
        "port 127.0.42.101:8080 on local bound at 127.0.0.1:49152 (127.0.42.101 is not an address "
        "of that machine; to add it: sudo ip addr add 127.0.42.101/32 dev lo)"
    )
    assert screen.out[-1] == "  127.0.0.1:49152 -> web, 127.0.0.1:80"


def test_without_a_local_host_the_vip_is_told_and_ports_are_in_the_order_of_numbers() -> None:
    first = listener("web", listen="127.0.42.9:80", bound="127.0.42.9:80")
    screen = Screen().show(
        HostChanged(host=host()),
        ListenerChanged(listener=listener("web")),
        ListenerChanged(listener=first),
        Ready(hosts=1, listeners=2),
    )
    assert screen.out[-2:] == [
        "  127.0.42.9:80 -> web, 127.0.0.1:80 (on the hosts of the mesh)",
        "  127.0.42.101:8080 -> web, 127.0.0.1:80 (on the hosts of the mesh)",
    ]


def test_what_is_ready_is_told_again_only_when_something_has_moved() -> None:
    screen = Screen().show(HostChanged(host=host()), ListenerChanged(listener=listener("web")))
    ready = Ready(hosts=1, listeners=1)
    screen.show(ready, ready)
    assert [line for line in screen.out if line.startswith("ready: ")] == ["ready: 1 host, 1 port"]
    screen.show(HostChanged(host=host(state=HostState.STARTING)), HostChanged(host=host()), ready)
    assert screen.out[-1] == "ready: 1 host, 1 port"
    gone = ListenerRemoved(on_host="web", listen="127.0.42.101:8080")
    screen.show(gone, Ready(hosts=1, listeners=0))
    assert screen.out[-1] == "ready: 1 host, 0 ports"


def test_a_problem_is_told_in_full_once_and_then_in_one_line() -> None:
    waiting = host(state=HostState.BACKING_OFF, problem=PROBLEM, retry_in=1.0)
    screen = Screen().show(
        HostChanged(host=waiting),
        HostChanged(host=host(state=HostState.STARTING, attempt=2, problem=PROBLEM)),
        HostChanged(
            host=host(state=HostState.BACKING_OFF, problem=PROBLEM, retry_in=2.0, attempt=2)
        ),
    )
    assert screen.err == [
        "host web: docker: command not found",
        "  command: docker exec -i web sh",
        "  exit status: 127",
        "  stderr: sh: docker: not found",
        "  hint: install docker, or give the full path",
        "  next try in 1.0 s",
        "host web: the same again (attempt 2); next try in 2.0 s",
    ]
    assert screen.out == []


def test_a_loss_and_the_back_off_after_it_tell_the_problem_once() -> None:
    lost = host(state=HostState.LOST, problem=PROBLEM)
    screen = Screen().show(
        HostChanged(host=host()),
        HostChanged(host=lost),
        HostChanged(host=host(state=HostState.BACKING_OFF, problem=PROBLEM, retry_in=1.0)),
        HostChanged(host=host(state=HostState.FAILED, problem=PROBLEM)),
    )
    assert screen.err[0] == "host web: lost: docker: command not found"
    assert sum("command not found" in line for line in screen.err) == 1
    assert (
        screen.err[-1] == "  web has failed for good; to try again: norouter ctl host restart web"
    )


def test_failed_attempts_are_told_less_and_less_often() -> None:
    waiting = host(state=HostState.BACKING_OFF, problem=PROBLEM, retry_in=5.0)
    attempts = [HostChanged(host=replace(waiting, attempt=number)) for number in range(1, 40)]
    screen = Screen().show(*attempts)
    again = [line.partition("(attempt ")[2].partition(")")[0] for line in screen.err]
    assert [number for number in again if number] == ["2", "4", "8", "16", "32"]


def test_changes_that_are_no_news_are_not_printed() -> None:
    screen = Screen().show(HostChanged(host=host()), HostChanged(host=host(round_trip=0.5)))
    screen.show(ListenerChanged(listener=listener()), ListenerChanged(listener=listener()))
    screen.show(StreamOpened(stream=stream()), Log(level="info", host="web", text="hello"))
    assert len(screen.out) == 1
    assert screen.err == []


def test_debug_tells_streams_states_and_every_log_line() -> None:
    screen = Screen(debug=True).show(
        HostChanged(host=host(state=HostState.BOOTSTRAPPING)),
        StreamOpened(stream=stream()),
        Log(level="debug", host="web", text="hello"),
    )
    assert screen.err[0] == "host web bootstrapping"
    assert screen.err[1].startswith("stream 7 local 127.0.0.1:40000 -> 127.0.42.101:8080 -> web")
    assert "2.0 KiB sent" in screen.err[1]
    assert screen.err[2] == "debug: web: hello"


def test_a_listener_that_failed_is_a_diagnostic() -> None:
    failed = listener(state=ListenerState.FAILED, bound="", note="address in use")
    screen = Screen().show(ListenerChanged(listener=failed))
    assert screen.err == [
        "port 127.0.42.101:8080 on local failed: address in use",
        "  hint: find out on local which process uses it (`ss -ltnp` or "
        "`lsof -nP -iTCP:8080 -sTCP:LISTEN`; `norouter ps` lists your meshes); "
        "norouter keeps trying",
    ]
    screen.show(ListenerChanged(listener=replace(failed, listen="127.0.42.101:8081")))
    assert screen.err[2:] == ["port 127.0.42.101:8081 on local failed: address in use"]
    screen.show(ListenerChanged(listener=listener()))
    assert screen.out == ["port 127.0.42.101:8080 on local bound"]


def test_a_low_port_that_is_refused_says_what_it_takes_and_its_address_once() -> None:
    note = "127.0.42.101:80: Permission denied"
    failed = listener(listen="127.0.42.101:80", state=ListenerState.FAILED, bound="", note=note)
    screen = Screen().show(HostChanged(host=host("local")), ListenerChanged(listener=failed))
    assert screen.err[0] == "port 127.0.42.101:80 on local failed: Permission denied"
    assert "ip_unprivileged_port_start=80" in screen.err[1] and "8080" in screen.err[1]


def test_a_loopback_interface_that_is_down_has_a_hint() -> None:
    note = "127.0.42.101:8080: the loopback interface is down"
    failed = listener(state=ListenerState.FAILED, bound="", note=note)
    screen = Screen().show(HostChanged(host=host("local")), ListenerChanged(listener=failed))
    assert "ip link set lo up" in screen.err[1]


def test_what_is_up_is_told_once_where_the_whole_mesh_is_not() -> None:
    out: list[str] = []
    printer = Printer(lambda line: out.append(line.plain), lambda line: None, expected=2)
    down = host("db", state=HostState.FAILED, problem=PROBLEM)
    for event in (
        HostChanged(host=host("local", command="")),
        ListenerChanged(listener=listener(to_host="db")),
        HostChanged(host=replace(down, state=HostState.STARTING, problem=None)),
        HostChanged(host=down),
        HostChanged(host=down),
    ):
        printer.show(event)
    assert out[1:] == [
        "up in part: 1 of 2 hosts ready",
        "  127.0.42.101:8080 -> db, 127.0.0.1:80 (not reachable: db has failed)",
    ]


def test_a_port_that_is_shared_with_a_listener_that_failed_is_not_served() -> None:
    hosts = [host(), host("local", command="")]
    failed = listener("web", state=ListenerState.FAILED, bound="", note="in use")
    shared = listener(state=ListenerState.SHARED, note="served by web")
    assert published(hosts, [shared, failed]) == [
        "127.0.42.101:8080 -> web, 127.0.0.1:80 (not reachable: no host listens: in use)"
    ]


def test_with_debug_a_line_of_stderr_is_told_once() -> None:
    line = PROBLEM.stderr[0]
    screen = Screen(debug=True).show(
        Log(level="info", host="web", text=line),
        HostChanged(host=host(state=HostState.BACKING_OFF, problem=PROBLEM, retry_in=1.0)),
    )
    assert sum(line in told for told in screen.err) == 1


def test_a_problem_that_differs_in_numbers_alone_is_the_same_again() -> None:
    problems = [replace(PROBLEM, message=f"pid {n} died", stderr=(f"at {n}",)) for n in (41, 42)]
    screen = Screen().show(
        *(
            HostChanged(host=host(state=HostState.BACKING_OFF, problem=p, retry_in=1.0, attempt=n))
            for n, p in enumerate(problems, 1)
        )
    )
    assert screen.err[-1] == "host web: the same again (attempt 2); next try in 1.0 s"


HOSTILE = "\x1b]0;owned\x07\r\n\x9b2J\u202e\udc80"


def test_hostile_text_from_a_host_is_escaped_wherever_it_comes_in() -> None:
    problem = PROBLEM.__class__(
        kind=HOSTILE, message=HOSTILE, hint=HOSTILE, command=HOSTILE, stderr=(HOSTILE,)
    )
    screen = Screen(debug=True).show(
        HostChanged(host=host(HOSTILE, state=HostState.FAILED, problem=problem)),
        HostChanged(host=host("other", agent=HOSTILE)),
        ListenerChanged(listener=listener(HOSTILE, note=HOSTILE, bound=HOSTILE, target=HOSTILE)),
        StreamOpened(stream=stream(peer=HOSTILE, reason=HOSTILE)),
        Log(level=HOSTILE, host=HOSTILE, text=HOSTILE),
        Ready(hosts=2, listeners=1),
    )
    lines = screen.out + screen.err
    assert len(lines) >= 8
    assert all(line.isprintable() for line in lines)
    assert escape(HOSTILE) in screen.err[0]


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**40, "1.0 TiB")]
)
def test_sizes(number: int, text: str) -> None:
    assert size(number) == text


def test_spans_of_time() -> None:
    told = [seconds(value) for value in (0.00061, 0.35, 0.9997, 1.5, 60, 1325, 27000, 1e6)]
    assert told == ["0.6 ms", "350 ms", "1.0 s", "1.5 s", "60 s", "22 min", "7.5 h", "12 d"]


def test_what_is_missing_when_time_is_up() -> None:
    status = Status(
        hosts=(host(), host("db", state=HostState.BACKING_OFF, problem=PROBLEM)),
        listeners=(listener(), listener("db", state=ListenerState.PENDING)),
        streams=(),
        opened_total=0,
        bytes_total=0,
    )
    assert [line.plain for line in not_ready_lines(status, 5)] == [
        "not ready within 5.0 s:",
        "  host db backing off: docker: command not found",
        "  port 127.0.42.101:8080 on db pending",
    ]


def test_a_host_that_was_ready_before_its_reader_came_is_no_news() -> None:
    out: list[str] = []
    printer = Printer(lambda line: out.append(line.plain), lambda line: None, since=5.0)
    for ready in (host(), replace(host(), attempt=3, since=9.0), replace(host("db"), since=6.0)):
        printer.show(HostChanged(host=ready))
    assert [line.split()[1] for line in out] == ["web", "db"]


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from([None, *HostState]))
        | st.tuples(
            st.tuples(st.sampled_from("abc"), st.sampled_from("12")),
            st.sampled_from([None, *ListenerState]),
        )
    )
)
def test_what_is_counted_as_it_changes_is_what_a_look_at_all_would_count(
    changes: list[tuple[Any, Any]],
) -> None:
    tally = _Tally()
    hosts: dict[str, HostState | None] = {}
    listeners: dict[tuple[str, str], ListenerState | None] = {}
    for key, state in changes:
        if isinstance(key, str):
            tally.host(key, hosts.get(key), state)
            hosts[key] = state
        else:
            tally.listener(key[0], key[1], listeners.get(key), state)
            listeners[key] = state
        ready = {name for name, at in hosts.items() if at is HostState.READY}
        failed = [at for at in listeners.values() if at is ListenerState.FAILED]
        pending = [x for (x, _), at in listeners.items() if at is ListenerState.PENDING]
        assert (tally.ready, tally.failed) == (len(ready), len(failed))
        known = {listen for (_, listen), at in listeners.items() if at is not None}
        assert tally.ports == len(known)
        assert tally.pending_on_ready == sum(name in ready for name in pending)
        assert all(tally.hosts[at] == list(hosts.values()).count(at) for at in HostState)


def test_the_table_of_hosts_shows_the_progress_of_an_agent() -> None:
    sending = host(state=HostState.BOOTSTRAPPING, agent_received=12_288, agent_size=32_768)
    (row,) = host_table(Status((sending,), (), (), 0, 0), {}).rows
    assert row["note"] == "sending the agent: 12 of 32 KiB (37 %)"
    assert host(state=HostState.BOOTSTRAPPING).sending == "sending the agent"
    assert host(agent_received=1, agent_size=2).sending == ""

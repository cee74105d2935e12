"""The engine's pure parts: back-off, the table of states, placement, the bus."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.engine.backoff import BackOff, retry_delay
from norouter_core.engine.bus import Bus, EventQueue
from norouter_core.engine.events import (
    Event,
    ListenerChanged,
    ListenerRemoved,
    Log,
    Ready,
    StreamOpened,
)
from norouter_core.engine.log_throttle import LogThrottle
from norouter_core.engine.neighbours import Neighbours
from norouter_core.engine.publications import (
    ListenAddress,
    ListenerSpec,
    Publication,
    Service,
    assign_listeners,
    proxies,
    publications,
)
from norouter_core.engine.status import (
    TRANSITIONS,
    HostState,
    ListenerState,
    ListenerStatus,
    StreamState,
    StreamStatus,
    check_transition,
)
from norouter_core.engine.streams import check_direct_row
from norouter_core.model import DnsSpec, Forward, Host, ProxySpec
from norouter_core.timing import Timing
from norouter_core.wire.errors import RemoteProtocolError
from tests.engine.meshes import NO_DNS

# -- back-off

TIMING = Timing()


@given(failures=st.integers(1, 5000), seed=st.integers())
def test_a_wait_is_between_one_second_and_one_minute(failures: int, seed: int) -> None:
    back_off = BackOff(random=random.Random(seed))
    waits = [back_off.next_delay() for _ in range(min(failures, 20))]
    back_off.failures = failures
    waits.append(back_off.next_delay())
    for wait in waits:
        assert TIMING.first_retry <= wait <= TIMING.max_retry
    assert TIMING.first_retry <= waits[0] <= TIMING.first_retry * 1.25
    full = [min(TIMING.max_retry, TIMING.first_retry * 2**n) for n in range(len(waits) - 1)]
    for wait, most in zip(waits, full, strict=False):
        assert most * 3 / 4 <= wait <= most * 5 / 4


@given(failures=st.integers(1, 5000))
def test_a_command_that_stays_here_is_tried_every_few_seconds(failures: int) -> None:
    back_off = BackOff(is_local=True, failures=failures)
    assert back_off.next_delay() <= TIMING.max_local_retry < TIMING.max_retry


def test_waits_differ_by_chance() -> None:
    waits = {_fifth(BackOff(random=random.Random(seed))) for seed in range(10)}
    assert len(waits) == 10


def _fifth(back_off: BackOff) -> float:
    return [back_off.next_delay() for _ in range(5)][-1]


@given(st.floats(0, 1000))
def test_only_a_stable_link_is_forgiven(seconds: float) -> None:
    back_off = BackOff()
    for _ in range(4):
        back_off.next_delay()
    back_off.link_ended(seconds)
    assert (back_off.failures == 0) == (seconds >= TIMING.stable)


# -- states


def test_the_table_is_closed() -> None:
    assert set(TRANSITIONS) == set(HostState)
    assert set().union(*TRANSITIONS.values()) == set(HostState)
    for state, after in TRANSITIONS.items():
        assert state not in after
        assert state is HostState.STOPPED or HostState.STOPPED in after


@given(st.sampled_from(HostState), st.sampled_from(HostState))
def test_what_is_not_in_the_table_is_refused(old: HostState, new: HostState) -> None:
    if new in TRANSITIONS[old]:
        assert check_transition(old, new) is new
    else:
        with pytest.raises(ValueError, match=f"{old} cannot become {new}"):
            check_transition(old, new)


def test_ready_is_reached_over_a_start_only() -> None:
    before = {old for old, after in TRANSITIONS.items() if HostState.READY in after}
    assert before == {HostState.STARTING, HostState.BOOTSTRAPPING}


# -- placement


def made(name: str, vip: str, *listen: int, disable: bool = False) -> Host:
    ports = tuple(Forward(port, "127.0.0.1", port) for port in listen)
    return Host(name, vip, None, ports=ports, dns=NO_DNS, loopback=not disable)


A = made("a", "127.0.42.1", 80)
B = made("b", "127.0.42.2", 80, 443)
HIDDEN = made("hidden", "127.0.42.3", 80, disable=True)
PUBLISHED = publications((A, B, HIDDEN))
ALL = {
    ListenAddress("127.0.42.1", 80),
    ListenAddress("127.0.42.2", 80),
    ListenAddress("127.0.42.2", 443),
    ListenAddress("127.0.42.3", 80),
}


def test_every_port_is_published_at_its_hosts_vip() -> None:
    assert set(PUBLISHED) == ALL
    published = PUBLISHED[ListenAddress("127.0.42.2", 443)]
    assert (published.to_host, published.target) == ("b", ("127.0.0.1", 443))


def test_the_first_of_two_that_publish_the_same_keeps_it() -> None:
    same = made("copy", "127.0.42.1", 80)
    assert publications((A, same))[ListenAddress("127.0.42.1", 80)].to_host == "a"
    assert publications((same, A))[ListenAddress("127.0.42.1", 80)].to_host == "copy"


def test_dns_is_published_at_every_vip_and_never_served_without_the_hub() -> None:
    a = replace(A, dns=DnsSpec())
    b = replace(B, dns=DnsSpec(port=53))
    hidden = replace(HIDDEN, dns=DnsSpec())
    own = replace(made("own", "127.0.42.4", 10053), dns=DnsSpec())
    published = publications((a, b, hidden, own))
    dns = {place for place, x in published.items() if x.service is Service.DNS}
    assert dns == {
        *(ListenAddress("127.0.42.1", 10053, proto) for proto in ("tcp", "udp")),
        *(ListenAddress("127.0.42.2", 53, proto) for proto in ("tcp", "udp")),
        *(ListenAddress("127.0.42.3", 10053, proto) for proto in ("tcp", "udp")),
        ListenAddress("127.0.42.4", 10053, "udp"),
    }
    assert (
        published[ListenAddress("127.0.42.4", 10053)].service is Service.PORT
    )  # its own comes first
    wanted = assign_listeners((a, b, hidden, own), published)
    assert not wanted.get("hidden")
    for name in ("a", "b", "own"):
        assert dns < set(wanted[name])
        assert not any(wanted[name][place].direct for place in dns)


def test_this_machine_serves_dns_at_every_vip_and_others_at_its_vip_and_their_own() -> None:
    hub = replace(made("hub", "127.0.42.1"), dns=DnsSpec())
    far = [
        replace(made(name, vip), dns=DnsSpec(), argv=("ssh", name))
        for name, vip in (("a", "127.0.42.2"), ("b", "127.0.42.3"))
    ]

    def served(*hosts: Host) -> dict[str, set[str]]:
        wanted = assign_listeners(hosts, publications(hosts))
        return {name: {address.host for address in wanted[name]} for name in wanted}

    assert served(hub, *far) == {
        "hub": {"127.0.42.1", "127.0.42.2", "127.0.42.3"},
        "a": {"127.0.42.1", "127.0.42.2"},
        "b": {"127.0.42.1", "127.0.42.3"},
    }
    assert served(*far) == {"a": {"127.0.42.2"}, "b": {"127.0.42.3"}}


NAMES = "abcde"


@given(disabled=st.sets(st.sampled_from(NAMES)))
def test_every_host_listens_for_everything_unless_it_listens_for_nothing(
    disabled: set[str],
) -> None:
    hosts = tuple(
        made(name, f"127.0.42.{index}", 80, 81, disable=name in disabled)
        for index, name in enumerate(NAMES, 1)
    )
    published = publications(hosts)
    wanted = assign_listeners(hosts, published)
    assert {name for name, wishes in wanted.items() if wishes} == set(NAMES) - disabled
    for name in set(NAMES) - disabled:
        assert {place: wish.publication for place, wish in wanted[name].items()} == published
        for wish in wanted[name].values():
            assert wish.direct == (wish.publication.to_host == name)


def test_a_proxy_is_wanted_by_its_own_host_alone() -> None:
    hosts = A, replace(HIDDEN, http=ProxySpec("127.0.0.1", 8080))
    (proxy,) = proxies(hosts)
    wanted = assign_listeners(hosts, publications(hosts), [proxy])
    assert list(wanted["hidden"].values()) == [ListenerSpec(proxy, direct=False)]
    assert proxy.listen_address not in wanted["a"]


# -- neighbours


def test_who_is_concerned_by_a_host_that_comes_goes_and_moves() -> None:
    neighbours = Neighbours()
    assert set(neighbours.update("a", "one", True)) == set()
    assert set(neighbours.update("b", "one", True)) == {"a"}
    assert set(neighbours.update("c", "two", True)) == set()
    assert set(neighbours.update("b", "one", True)) == set()
    assert set(neighbours.update("b", "one", False)) == {"a"}  # it listens no longer
    assert set(neighbours.update("b", "two", True)) == {"a", "c"}
    assert set(neighbours.update("b", None, True)) == {"c"}
    assert set(neighbours.update("b", None, False)) == set()


def test_places_are_held_per_namespace() -> None:
    neighbours, place = Neighbours(), ListenAddress("127.0.42.1", 80)
    neighbours.hold("one", place, "a", "127.0.0.1:80")
    assert neighbours.holds("one", place, "a")
    assert neighbours.bound("one", place, "a") == "127.0.0.1:80"
    assert neighbours.holder("one", place, "b") == "a"
    assert neighbours.holder("one", place, "a") == ""
    assert neighbours.holder("two", place, "b") == ""
    neighbours.hold("one", place, "liar", "127.0.42.1:80")
    assert neighbours.holder("one", place, "a") == "liar"
    neighbours.release("one", place, "a")
    neighbours.release("one", place, "a")
    assert neighbours.holder("one", place, "b") == "liar"
    neighbours.release("one", place, "liar")
    assert neighbours.holder("one", place, "b") == ""


def test_a_stream_that_was_open_is_said_to_be_cut() -> None:
    publication = Publication(("127.0.42.1", 80), "web", ("127.0.0.1", 81))
    client = ("10.0.0.1", 5)
    lines: list[tuple[str, str, str]] = []
    for was_open, begins in (
        (False, "127.0.0.1:81 was not reached: gone (client 10.0.0.1:5 on hub"),
        (True, "a stream to 127.0.0.1:81 was cut: gone (client 10.0.0.1:5 on hub"),
    ):
        throttle = LogThrottle(lambda *line: lines.append(line))
        throttle.unreached(publication, "hub", client, "gone", was_open=was_open)
        level, host, text = lines.pop()
        assert (level, host) == ("warning", "web") and text.startswith(begins)


def test_a_few_hosts_that_start_slowly_have_a_line_each_and_the_others_are_counted() -> None:
    lines: list[str] = []
    clock = [100 + n / 10 for n in range(20)] + [111, 112]
    throttle = LogThrottle(
        lambda _, host, text: lines.append(f"{host} {text}"), iter(clock).__next__
    )
    for n in range(20):
        throttle.slow_start(f"h{n}", "waits")
    assert lines == ["h0 waits", "h1 waits", "h2 waits", "h3 waits"]
    throttle.slow_start("late", "waits")
    throttle.slow_start("later", "waits")
    assert lines[4:] == ["late waits; 16 more hosts start as slowly", "later waits"]


@given(
    up=st.dictionaries(st.sampled_from(NAMES), st.integers(1, 3)),
    disabled=st.sets(st.sampled_from(NAMES)),
)
def test_a_host_listens_for_its_own_vip_where_it_is_up(
    up: dict[str, int], disabled: set[str]
) -> None:
    neighbours = Neighbours()
    for name, namespace in up.items():
        neighbours.update(name, namespace, name not in disabled)
    for host in NAMES:
        peers = {n for n in up if up[n] == up.get(host) and n != host and n not in disabled}
        assert {n for n in NAMES if neighbours.listens_for(n, host)} == peers


# -- reports of direct streams

ROW: list[object] = [1, 2, "127.0.0.1", 4711, 5, 6, "open", ""]


def test_a_row_is_passed_on_clean() -> None:
    assert check_direct_row(ROW) == ROW
    coloured = [*ROW[:2], "\x1b[31m::1", *ROW[3:7], "a\x07b"]
    assert check_direct_row(coloured) == [*ROW[:2], "::1", *ROW[3:7], "ab"]


@given(st.integers(0, 7), st.sampled_from([None, True, 1.5, "x", -1, 2**63, 10**4000, [], {}]))
def test_a_row_of_another_form_is_a_violation(index: int, value: object) -> None:
    row = [*ROW[:index], value, *ROW[index + 1 :]]
    if index in (2, 7) and isinstance(value, str):
        assert check_direct_row(row) == row
    elif index == 1 and type(value) is int:
        # A number that no listener has is looked up, and not found.
        assert check_direct_row(row) == row
    else:
        with pytest.raises(RemoteProtocolError):
            check_direct_row(row)


@pytest.mark.parametrize("row", [None, "x", [], ROW[:-1], [*ROW, ""], {}])
def test_a_row_that_is_no_list_of_eight_is_a_violation(row: object) -> None:
    with pytest.raises(RemoteProtocolError):
        check_direct_row(row)


# -- listeners


def test_an_address_in_use_is_tried_less_and_less_often() -> None:
    delays = [retry_delay(attempts) for attempts in range(1, 100)]
    assert delays == sorted(delays)
    assert delays[0] < 0.1 and delays[-1] == 16
    # A lost agent holds its addresses for some seconds.
    assert 8 < sum(delay for delay in delays if delay <= 0.5) < 15


# -- the bus


def line(number: int) -> Log:
    return Log(level="info", host="", text=str(number))


@given(limit=st.integers(1, 20), count=st.integers(0, 60))
def test_a_slow_reader_keeps_the_newest_and_counts_the_rest(limit: int, count: int) -> None:
    bus = Bus()
    subscription = bus.subscribe(limit, True)
    for number in range(count):
        bus.publish(line(number))
    bus.end()
    kept = asyncio.run(_read(subscription))
    assert [event.text for event in kept if isinstance(event, Log)] == [
        str(number) for number in range(max(0, count - limit), count)
    ]
    assert subscription.dropped == max(0, count - limit)


NAMED = st.builds(
    lambda host, listen, state: ListenerChanged(
        listener=ListenerStatus(host, "b", listen, "t", state, "", "")
    ),
    st.sampled_from("ab"),
    st.sampled_from("12"),
    st.sampled_from(ListenerState),
) | st.builds(
    lambda host, listen: ListenerRemoved(on_host=host, listen=listen),
    st.sampled_from("ab"),
    st.sampled_from("12"),
)


@given(
    limit=st.integers(1, 8),
    steps=st.lists(NAMED | st.builds(line, st.integers()) | st.none(), max_size=60),
)
def test_a_slow_reader_knows_what_stands(limit: int, steps: list[Event | None]) -> None:
    backlog, events, got = EventQueue(limit), list[Event](), list[Event]()
    for event in steps:
        if event is not None:
            events.append(event)
            backlog.put(event)
        elif backlog:
            got.append(backlog.take())
    assert len(backlog) <= 2 * limit + 4  # of four listeners
    got += backlog.take_all()
    assert len(backlog) == 0
    # In order, and nothing twice.
    at = [next(n for n, each in enumerate(events) if each is event) for event in got]
    assert at == sorted(set(at))
    assert _standing(got) == _standing(events)
    lines = [event for event in events if isinstance(event, Log)]
    assert len(lines) == sum(isinstance(event, Log) for event in got) + backlog.dropped


def _standing(events: list[Event]) -> dict[tuple[str, str], Event]:
    stands: dict[tuple[str, str], Event] = {}
    for event in events:
        if isinstance(event, ListenerChanged):
            stands[event.listener.on_host, event.listener.listen] = event
        elif isinstance(event, ListenerRemoved):
            stands[event.on_host, event.listen] = event
    return stands


def test_a_reader_of_one_kind_is_told_no_other() -> None:
    bus = Bus()
    logs = bus.subscribe(10, True, Log)
    bus.publish(Ready(hosts=1, listeners=1))
    bus.publish(line(1))
    assert [type(event) for event in logs.drain()] == [Log]


async def _read(subscription: object) -> list[Event]:
    return [event async for event in subscription]  # type: ignore[attr-defined]  # a subscription


def test_readers_do_not_slow_each_other() -> None:
    bus = Bus()
    slow, quick = bus.subscribe(1, True), bus.subscribe(100, True)
    for number in range(10):
        bus.publish(line(number))
    assert (slow.dropped, quick.dropped) == (9, 0)
    bus.end()
    assert len(asyncio.run(_read(quick))) == 10


def test_one_who_has_left_is_told_nothing_more() -> None:
    bus = Bus()
    with bus.subscribe(10, True) as subscription:
        bus.publish(line(1))
    bus.publish(line(2))
    assert len(asyncio.run(_read(subscription))) == 1
    subscription.close()


def test_streams_are_left_out_for_who_does_not_want_them() -> None:
    opened = StreamOpened(
        stream=StreamStatus(
            1, "a", "127.0.0.1:1", "b", "b:1", "127.0.42.1:1", StreamState.OPEN, 0, 0, 0, False, ""
        )
    )
    bus = Bus()
    without = bus.subscribe(10, False)
    assert not bus.wants_streams
    full = bus.subscribe(10, True)
    assert bus.wants_streams
    bus.publish(opened)
    bus.publish(line(1))
    bus.end()
    assert len(asyncio.run(_read(without))) == 1
    assert len(asyncio.run(_read(full))) == 2


def test_a_reader_waits_for_what_comes() -> None:
    async def run() -> list[Event]:
        bus = Bus()
        reading = asyncio.ensure_future(_read(bus.subscribe(10, True)))
        for number in range(3):
            await asyncio.sleep(0)
            bus.publish(line(number))
        bus.end()
        return await reading

    assert len(asyncio.run(run())) == 3

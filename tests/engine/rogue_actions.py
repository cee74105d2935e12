"""More actions of a rogue agent: `rogue_actions.py ACTION... norouter agent --automated`."""

from __future__ import annotations

import os
import sys

from norouter_core.agent import channel, process_identity
from norouter_core.agent.main import main
from norouter_core.wire import events, frames, messages
from tests.engine.rogue import HELLO, Json, Rogue, report


def hello_only(rogue: Rogue) -> None:
    """Never answers: `attach` stays open."""
    rogue.hello()
    os.read(0, 1 << 16)
    report("asked to attach")
    while os.read(0, 1 << 16):
        pass


def opens_too_soon(rogue: Rogue) -> None:
    """Has its hello and an offer in one write."""
    hello = frames.json_frame(messages.encode(messages.event("hello", HELLO)))
    rogue.connection.open({"listener": 1, "peer": ["127.0.0.1", 1]})
    rogue.connection.outbox.fill([])
    opening = b"".join(rogue.connection.outbox.writing)
    rogue.connection.outbox.written(len(opening))
    rogue.write(hello + opening)
    rogue.serve()


def neighbour(rogue: Rogue) -> None:
    """Says that it lives where the hub does, and that it has bound whatever it is asked to."""
    rogue.hello(boot_id=process_identity.boot_id(), netns=process_identity.netns())
    rogue.serve(lambda: rogue.listeners)
    report("asked to listen")
    rogue.serve()


def claims(rogue: Rogue) -> None:
    """Reports direct streams of every port that it listens at, its own one last."""
    rogue.listens()
    own, *others = rogue.listeners
    rows = [
        [number, listener, "127.0.0.1", 4711, 10, 20, "open", ""]
        for number, listener in enumerate([*others, 999, own], 1)
    ]
    rogue.message(messages.event("direct", {"streams": rows}))
    report(f"claimed {len(others)} of others")
    rogue.serve()


NASTY = (
    "\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b[2J\r\nX\u202egnp.exe\ud800\u061c\u200b\ufeff"
    "\U000e0041\x9b31m\x00\x7f[bold]x[/]"
)
"""What steers terminals, reorders and hides text, breaks encodings, or is markup."""


def paints_all(rogue: Rogue) -> None:
    """Puts that into every text that it can send; it listens, and refuses the rest."""
    rogue.result = {"host": f"127.0.0.1{NASTY}", "port": 1}
    rogue.errors = dict.fromkeys(("read", "write", "resolve", "echo", "dial", "unlisten"), NASTY)
    words = ("python", "implementation", "system", "machine", "hostname", "user")
    rogue.hello(**{word: f"{word}{NASTY}" for word in words}, features=["udp", NASTY])
    rogue.serve(lambda: rogue.served)
    rogue.opens(999, f"peer{NASTY}")
    states = ("open", "opening", "half-closed", "closed")
    rows = [
        [number, rogue.listeners[0], f"peer{NASTY}", 1, 0, 0, state, f"refused: {NASTY}"]
        for number, state in enumerate(states, 1)
    ]
    rogue.message(messages.event("direct", {"streams": rows}))
    os.write(2, f"stderr {NASTY}\n".encode("utf-8", "surrogatepass"))
    report("painted")
    rogue.serve(lambda: [e for e in rogue.seen if isinstance(e, events.Opened)])
    os.write(2, f"last {NASTY}\n".encode("utf-8", "surrogatepass"))
    rogue.serve()


def guesses(rogue: Rogue) -> None:
    """Opens every listener but the two that it was asked for, and names targets by itself."""
    rogue.listens()
    rogue.serve(lambda: len(rogue.listeners) == 2)
    others = [n for n in range(1, 500) if n not in rogue.listeners]
    details: list[Json] = [{"listener": number} for number in (*others, 0, -1, 2**31, 2**53)]
    # A target beside a listener that is its own to offer changes nothing about the listener.
    details += [{"listener": number, "target": ["127.0.0.1", 22]} for number in others[:50]]
    opened = [rogue.connection.open({**each, "peer": ["127.0.0.1", 5]}) for each in details]
    rogue.flush()
    rogue.serve(lambda: all(stream.closed for stream in opened))
    codes = {event.code for event in rogue.seen if isinstance(event, events.Reset)}
    report(f"guessed {len(opened)}: {sorted(codes)}")
    rogue.serve()


LOOPBACK = ("127.0.0.1", "::ffff:127.0.0.1", "::1", "0.0.0.0", "224.0.0.1")


def redirects(rogue: Rogue) -> None:
    """Is a transparent proxy, and has clients for the loopback of the hub's machine."""
    _listens_transparently(rogue)
    number = rogue.listeners[0]
    peer = ["127.0.0.1", 5]
    opened = [
        rogue.connection.open({"listener": number, "peer": peer, "destination": [host, 9]})
        for host in LOOPBACK
    ]
    rogue.flush()
    rogue.serve(lambda: all(stream.closed for stream in opened))
    reasons = [event.reason for event in rogue.seen if isinstance(event, events.Reset)]
    report(f"redirected: {reasons}")
    rogue.serve()


def odd_destination(rogue: Rogue) -> None:
    _listens_transparently(rogue)
    number = rogue.listeners[0]
    rogue.connection.open({"listener": number, "peer": ["a", 5], "destination": ["foo", 9]})
    rogue.flush()
    rogue.serve()


def _listens_transparently(rogue: Rogue) -> None:
    rogue.hello(features=["listen", "udp", "transparent"])
    rogue.serve(lambda: len(rogue.listeners) == 2)  # over TCP and UDP


def shows_interfaces(rogue: Rogue) -> None:
    """Has the interfaces in the file that `INTERFACES` names, and refuses every dial."""

    def reads() -> bool:
        with open(os.environ["INTERFACES"], encoding="ascii") as file:
            rogue.text = file.read()
        bodies = [e.body for e in rogue.seen if isinstance(e, events.Message)]
        if any(body.get("type") == "bye" for body in bodies):
            sys.exit(0)
        return any(body.get("op") == "read" for body in bodies)

    rogue.errors["dial"] = "refused"
    rogue.hello()
    rogue.serve(reads)
    report("has shown its interfaces")
    rogue.serve(lambda: reads() and False)


def without_vectors() -> None:
    """An honest agent on a Python that has neither `readv` nor `writev`."""
    channel._VECTORS = False
    sys.exit(main(sys.argv[-1:]))


if __name__ == "__main__":
    if sys.argv[1] == "without_vectors":
        without_vectors()
    globals()[sys.argv[1]](Rogue())

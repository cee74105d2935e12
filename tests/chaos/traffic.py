"""The traffic of one host: `python -m tests.chaos.traffic serve|drive HOST [SEED PHASE WORKERS]`.

`serve` runs the host's servers until it is killed. `drive` is its clients: until SIGTERM, each
worker runs one exchange after the other, all of which follow from the seed. Both print a line of
JSON for each outcome.
"""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import sys
from dataclasses import dataclass, replace

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode

from tests.chaos.client import HANG, Exchange, Result, get
from tests.chaos.hosts import (
    BY_NAME,
    DNS_PORT,
    HOSTS,
    LOCAL,
    PORTS,
    ROUTED,
    SERVER_PORTS,
    UDP_PORT,
    UDP_SERVER_PORT,
)
from tests.chaos.outcome import is_timeout, print_report
from tests.chaos.request import Request, name_bytes
from tests.chaos.server import Server
from tests.chaos.ways import AUTH, HTTP, Refused, by_connect, by_socks4a, by_socks5
from tests.datagrams import answering
from tests.servers import Peer, Target, connect

WARM_UP = "before"
"""The phase after which a run notes how many descriptors there are."""
_EDGES = (0, 1, 100, 16383, 16384, 16385, 65535, 65536, 262143, 262144, 262145)
_PACES = ("plain",) * 5 + ("slow", "stall", "turns")
_REQUESTS = ("down", "up", "echo")


@dataclass(frozen=True, slots=True)
class Way:
    """How to reach a server: by which means, and by which name or address."""

    kind: str
    host: str
    port: int


def choose_way(rng: random.Random, client: str, target: str) -> tuple[Way, str]:
    """Return a way from a host, and the host that it leads to."""
    host = BY_NAME[target]
    if not BY_NAME[client].proxies or rng.random() < 0.6:
        return Way("port", host.vips[0], rng.choice(PORTS)), target
    kind = rng.choice(("connect", "get", "socks5", "socks5", "socks4a"))
    if kind == "socks4a" and client == LOCAL:
        # SOCKS4 has no passwords.
        kind = "socks5"
    if client == "ssh" and kind.startswith("socks"):
        kind = "connect"
    if rng.random() < 0.4:
        routed = BY_NAME[rng.choice(ROUTED)]
        return Way(kind, routed.address, rng.choice(SERVER_PORTS)), routed.name
    return Way(kind, rng.choice((target, host.vips[0])), PORTS[0]), target


def other_vip(vip: str) -> str:
    """Return the address that edits give the host of `vip`."""
    return next(host.vips[1] for host in HOSTS if host.vips[0] == vip)


def choose_request(rng: random.Random, ident: str, target: str) -> tuple[Request, str]:
    """Return a request, and the pace at which its client runs it."""
    kind, pace = rng.choice(_REQUESTS), rng.choice(_PACES)
    size = rng.choice((*_EDGES, *(rng.randrange(10**digits) for digits in (3, 5, 6, 6, 7))))
    if rng.random() < 0.3:
        kind, size, pace = "echo", rng.randrange(100), "plain"
    if pace == "turns":
        kind, size = "echo", rng.randrange(10_000)
    request = Request(ident, target, kind, size, early_end=kind == "down" and rng.random() < 0.3)
    if pace != "turns" and rng.random() < 0.2:
        by, after = rng.choice(("client", "server")), rng.randrange(size + 1)
        request = replace(request, cut_by=by, cut_after=after)
        if by == "client" and kind == "down" and rng.random() < 0.3:
            pace = "deaf"
    return request, pace


class Clients:
    """The clients on one host."""

    def __init__(self, host: str, seed: str, phase: str) -> None:
        self._host, self._seed, self._phase = host, seed, phase
        self._stopping = asyncio.Event()

    async def run(self, workers: int) -> None:
        """Run the workers until SIGTERM, and let them finish what they have begun."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        async with asyncio.TaskGroup() as group:
            for number in range(workers):
                group.create_task(self._work(number))

    async def _work(self, worker: int) -> None:
        rng = random.Random(f"{self._seed}:{self._phase}:{self._host}:{worker}")
        number = 0
        while not self._stopping.is_set():
            number += 1
            ident = f"{self._phase}.{self._host}.{worker}.{number}"
            chance = rng.random()
            one = self._look_up if chance < 0.06 else self._ask if chance < 0.14 else self._exchange
            if one == self._ask and self._phase == WARM_UP:
                # A stream of datagrams lasts 30 s longer, and would count as what a hub holds.
                continue
            side, size, (outcome, note) = await one(rng, ident)
            print_report(side, outcome, ident, size=size, note=note)
            try:
                await asyncio.wait_for(self._stopping.wait(), rng.expovariate(5))
            except TimeoutError:
                continue

    async def _exchange(self, rng: random.Random, ident: str) -> tuple[str, int, Result]:
        way, target = choose_way(rng, self._host, rng.choice(HOSTS).name)
        request, pace = choose_request(rng, ident, target)
        text = f"{way.kind} to {target} at {way.host}:{way.port}, {request.kind} {pace}"
        cut = f", cut by {request.cut_by} after {request.cut_after}" if request.cut_by else ""
        try:
            peer = await self._reach(way)
            if way.kind == "get":
                outcome, note = await get(
                    peer, ident, target, f"{way.host}:{way.port}", request.size
                )
            else:
                outcome, note = await Exchange(peer, request, pace, rng).run()
        except Refused as error:
            outcome, note = "refused", str(error)
        except OSError as error:
            outcome, note = ("hang" if is_timeout(error) else "refused"), f"connecting: {error}"
        return "client", request.size, (outcome, f"{text} {request.size}{cut}: {note}")

    async def _reach(self, way: Way) -> Peer:
        match way.kind:
            case "port":
                try:
                    return await connect((way.host, way.port), HANG)
                except ConnectionRefusedError:
                    # An edit may have moved the host to its other address.
                    return await connect((other_vip(way.host), way.port), HANG)
            case "connect":
                return await by_connect(way.host, way.port, HANG)
            case "get":
                return await connect(HTTP, HANG)
            case "socks4a":
                return await by_socks4a(way.host, way.port, HANG)
        auth = AUTH if self._host == LOCAL else None
        return await by_socks5(way.host, way.port, HANG, auth)

    async def _ask(self, rng: random.Random, ident: str) -> tuple[str, int, Result]:
        """Send datagrams until one comes back, as clients of UDP do."""
        target = rng.choice(HOSTS)
        address = (target.vips[0], UDP_PORT)
        data = ident.encode() + rng.randbytes(rng.randrange(1, 8000))
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            for _ in range(6):
                try:
                    sock.connect(address)
                    await loop.sock_sendall(sock, data)
                    async with asyncio.timeout(0.7):
                        answer = await loop.sock_recv(sock, 1 << 16)
                except OSError:
                    await asyncio.sleep(0.1)
                    continue
                if answer == name_bytes(target.name) + data:
                    return "udp", len(data), ("ok", "")
                return "udp", len(data), ("wrong", f"from {target.name}: {answer[:40]!r}")
        return "udp", 0, ("lost", f"no answer from {target.name} at {address}")

    async def _look_up(self, rng: random.Random, ident: str) -> tuple[str, int, Result]:
        """Ask a VIP for a host's address; a remote host serves DNS at two of them."""
        served = HOSTS if self._host == LOCAL else (BY_NAME[self._host], BY_NAME[LOCAL])
        target, server = rng.choice(HOSTS), rng.choice(served).vips[0]
        query = dns.message.make_query(target.name, "A")
        ask = dns.asyncquery.tcp if rng.random() < 0.3 else dns.asyncquery.udp
        for _ in range(3):
            try:
                answer = await ask(query, server, timeout=2, port=DNS_PORT)
                break
            except (OSError, EOFError, dns.exception.DNSException) as error:
                note = f"{target.name} of {server}: {error!r}"
                await asyncio.sleep(0.1)
        else:
            return "dns", 0, ("lost", note)
        found = {item.to_text() for rrset in answer.answer for item in rrset}
        if not found:
            return "dns", 0, ("lost", f"{target.name}: {dns.rcode.to_text(answer.rcode())}")
        right = found <= set(target.vips)
        return "dns", 0, ("ok" if right else "wrong", f"{target.name}: {found}")


async def _serve(host: str) -> None:
    server = Server(host, print_report)
    named = answering(lambda data: name_bytes(host) + data, UDP_SERVER_PORT)
    async with named, asyncio.TaskGroup() as group:
        for port in SERVER_PORTS:
            group.create_task(server.serve(Target("0.0.0.0", port)))
        sys.stdout.write("serving\n")
        sys.stdout.flush()


def main(argv: list[str]) -> None:
    if argv[0] == "serve":
        asyncio.run(_serve(argv[1]))
    else:
        host, seed, phase, workers = argv[1:]
        asyncio.run(_drive(host, seed, phase, int(workers)))


async def _drive(host: str, seed: str, phase: str, workers: int) -> None:
    await Clients(host, seed, phase).run(workers)


if __name__ == "__main__":
    main(sys.argv[1:])

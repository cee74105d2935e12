"""A run can be repeated: its plan follows from its seed."""

from __future__ import annotations

import random

from tests.chaos.hosts import BY_NAME, HOSTS, LOCAL, REMOTE
from tests.chaos.plan import edit, plan
from tests.chaos.traffic import choose_request, choose_way


def test_a_seed_gives_the_same_plan_each_time() -> None:
    assert plan(7, 60) == plan(7, 60)
    assert plan(7, 60) != plan(8, 60)


def test_a_longer_run_begins_as_a_shorter_one() -> None:
    short, long = plan(7, 30), plan(7, 120)
    assert long[: len(short)] == short
    assert short[-1].at < 30 < long[-1].at


def test_a_plan_strikes_every_host_in_every_way() -> None:
    steps = plan(1, 3600)
    kinds = {step.kind for step in steps}
    assert len(kinds) == 18
    for kind in ("kill-agent", "stop-agent", "kill-client", "stop-client"):
        assert {step.host for step in steps if step.kind == kind} == set(REMOTE)


def test_edits_name_hosts_that_exist() -> None:
    rng = random.Random(1)
    lines = [edit(rng) for _ in range(2000)]
    named = {word for line in lines if line.startswith("host ") for word in line.split()[2:3]}
    assert named == set(REMOTE)


def test_the_traffic_of_a_seed_is_the_same_each_time() -> None:
    def chosen(seed: int) -> list[object]:
        rng = random.Random(seed)
        ways = [choose_way(rng, LOCAL, rng.choice(HOSTS).name) for _ in range(200)]
        return [*ways, *(choose_request(rng, str(n), "ssh") for n in range(200))]

    assert chosen(3) == chosen(3)
    assert chosen(3) != chosen(4)


def test_each_client_uses_only_proxies_that_its_host_has() -> None:
    rng = random.Random(1)
    kinds = {
        client.name: {choose_way(rng, client.name, "slow")[0].kind for _ in range(300)}
        for client in HOSTS
    }
    assert kinds[LOCAL] == {"port", "connect", "get", "socks5"}
    assert kinds["enter"] == kinds[LOCAL] | {"socks4a"}
    assert kinds["ssh"] == {"port", "connect", "get"}
    assert all(kinds[name] == {"port"} for name, host in BY_NAME.items() if not host.proxies)

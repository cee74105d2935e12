"""A Redis cluster whose nodes are on three hosts and know each other by their VIPs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial

import pytest
from redis import Redis
from redis.cluster import ClusterNode, RedisCluster

from tests.field.field import BOX, DB, WEB, Field, entered, wait_until
from tests.transports.require import need_program

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(120)]

NODES = {"db": DB, "web": WEB, "box": BOX}
PORT = 6379


@pytest.fixture(scope="module", autouse=True)
def cluster(field: Field) -> Iterator[None]:
    """Three masters, each behind another kind of exec command."""
    server = need_program("redis-server", "redis-server")
    need_program("redis-cli", "redis-tools")
    with ExitStack() as stack:
        for name, vip in NODES.items():
            folder = field.make_folder(f"redis-{name}")
            plain = ("--port", str(PORT), "--bind", "127.0.0.1", "--dir", str(folder))
            quick = ("--save", "", "--appendonly", "no", "--protected-mode", "no")
            announced = ("--cluster-announce-ip", vip, "--cluster-enabled", "yes")
            argv = [server, *plain, *quick, *announced]
            stack.enter_context(field.serving(name, argv, PORT, PORT + 10000))
        addresses = [f"{vip}:{PORT}" for vip in NODES.values()]
        field.run("local", "redis-cli", "--cluster", "create", *addresses, "--cluster-yes")
        with entered(field.hub):
            for vip in NODES.values():
                with closing(Redis(vip, PORT)) as node:
                    wait_until(partial(_is_whole, node), 30, f"{vip} knows the whole cluster")
        yield


def _is_whole(node: Redis) -> bool:
    about = node.execute_command("CLUSTER INFO")
    known = about["cluster_known_nodes"]
    return bool((about["cluster_state"], known) == ("ok", str(len(NODES))))


@pytest.mark.parametrize("at", ["local", *NODES])
def test_redis_cli_is_sent_to_the_other_hosts(field: Field, at: str) -> None:
    keys = [f"{at}-{number}" for number in range(20)]
    script = "".join(f"set {key} {number}\n" for number, key in enumerate(keys))
    script += "".join(f"get {key}\n" for key in keys)
    client = ("redis-cli", "-c", "-h", DB, "-p", str(PORT))
    told = field.run(at, *client, stdin=script.encode()).splitlines()
    moved = [line.split()[-1] for line in told if line.startswith("-> Redirected")]
    assert set(moved) == {f"{vip}:{PORT}" for vip in NODES.values()}
    assert [line for line in told if line.isdigit()] == [str(number) for number in range(20)]


def test_a_cluster_client_follows_the_announced_addresses() -> None:
    with closing(RedisCluster(startup_nodes=[ClusterNode(BOX, PORT)])) as client:
        assert {node.host for node in client.get_nodes()} == set(NODES.values())
        values = {f"key-{number}": os.urandom(10_000) for number in range(300)}
        for key, value in values.items():
            client.set(key, value)
        assert {client.get_node_from_key(key).host for key in values} == set(NODES.values())
        assert {key: client.get(key) for key in values} == values
        large = os.urandom(8 << 20)
        client.set("large", large)
        assert client.get("large") == large


def test_messages_reach_subscribers_on_other_nodes() -> None:
    with closing(Redis(DB, PORT)) as one, closing(Redis(BOX, PORT)) as other:
        with closing(one.pubsub(ignore_subscribe_messages=True)) as listening:
            listening.subscribe("news")
            # The answer to the subscription is one of the messages that are ignored.
            assert listening.get_message(timeout=10) is None
            for number in range(100):
                other.publish("news", number)
            heard = [listening.get_message(timeout=10) for _ in range(100)]
        assert [told and told["data"] for told in heard] == [b"%d" % n for n in range(100)]

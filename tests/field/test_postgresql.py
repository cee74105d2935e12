"""PostgreSQL behind ssh: bulk data both ways, notifications, cancelling, and a link that breaks."""

from __future__ import annotations

import asyncio
import hashlib
import select
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import asyncpg
import psycopg
import psycopg_pool
import pytest

from tests.field.field import DB, READY, Field
from tests.transports.procs import run
from tests.transports.require import need

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(120)]

DSN = f"host={DB} user=postgres dbname=postgres connect_timeout=10"
BLOCK = 1 << 20
MIB = 16
PROGRAMS = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture(scope="module", autouse=True)
def postgresql(field: Field) -> Iterator[None]:
    need((PROGRAMS / "postgres").exists(), "no PostgreSQL (apt-get install postgresql-15)")
    folder = field.make_folder("postgresql", "postgres")
    as_owner = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--")
    run(*as_owner, str(PROGRAMS / "initdb"), "-D", str(folder), "-N", "-A", "trust", "-E", "UTF8")
    argv = [*as_owner, str(PROGRAMS / "postgres"), "-D", str(folder), "-k", str(folder)]
    options = ("fsync=off", "listen_addresses=localhost")
    argv += [word for option in options for word in ("-c", option)]
    with field.serving("db", argv, 5432):
        yield


@pytest.fixture
def connection() -> Iterator[psycopg.Connection]:
    with closing(psycopg.connect(DSN, autocommit=True)) as connected:
        yield connected


@pytest.mark.parametrize("at", ["local", "db", "web", "box"])
def test_psql_on_every_host(field: Field, at: str) -> None:
    query = "select sum(n) from generate_series(1, 100000) n"
    assert field.run(at, "psql", DSN, "-XAtc", query) == "5000050000\n"


def test_a_copy_both_ways(connection: psycopg.Connection) -> None:
    connection.execute("create temp table noise (data bytea)")
    sent, received = hashlib.sha256(), hashlib.sha256()
    with connection.cursor() as cursor:
        with cursor.copy("copy noise from stdin (format binary)") as copy:
            copy.set_types(["bytea"])
            for number in range(MIB):
                block = hashlib.shake_128(b"%d" % number).digest(BLOCK)
                sent.update(block)
                copy.write_row([block])
        with cursor.copy("copy noise to stdout (format binary)") as copy:
            copy.set_types(["bytea"])
            rows = 0
            for (block,) in copy.rows():
                received.update(block)
                rows += 1
    assert rows == MIB
    assert received.digest() == sent.digest()


def test_notifications_arrive(connection: psycopg.Connection) -> None:
    async def listen() -> list[str]:
        heard: asyncio.Queue[str] = asyncio.Queue()
        listening = await asyncpg.connect(host=DB, user="postgres", database="postgres")
        try:
            await listening.add_listener("news", lambda *told: heard.put_nowait(told[3]))
            for number in range(100):
                connection.execute("select pg_notify('news', %s)", [f"{number}"])
            return [await asyncio.wait_for(heard.get(), 10) for _ in range(100)]
        finally:
            await listening.close()

    assert asyncio.run(listen()) == [f"{number}" for number in range(100)]


def test_a_query_is_cancelled(connection: psycopg.Connection) -> None:
    async def cancel() -> None:
        asking = await asyncpg.connect(host=DB, user="postgres", database="postgres")
        try:
            # A cancel request is a connection of its own, with no answer but its end.
            with pytest.raises(TimeoutError):
                await asking.fetchval("select pg_sleep(60)", timeout=0.2)
            assert await asking.fetchval("select 1") == 1
        finally:
            await asking.close()

    asyncio.run(cancel())
    sleeping = "query like '%pg_sleep(60)' and state = 'active'"
    count = f"select count(*) from pg_stat_activity where {sleeping}"
    assert connection.execute(count).fetchone() == (0,)


def test_the_server_ends_an_idle_session(connection: psycopg.Connection) -> None:
    connection.execute("set idle_session_timeout = '100ms'")
    readable, _, _ = select.select([connection.fileno()], [], [], 20)
    assert readable, "the server's last words have not come"
    with pytest.raises(psycopg.errors.IdleSessionTimeout):
        connection.execute("select 1")


def test_a_copy_fails_when_the_link_breaks_and_a_pool_recovers(field: Field) -> None:
    with psycopg_pool.ConnectionPool(
        DSN, min_size=2, open=True, check=psycopg_pool.ConnectionPool.check_connection
    ) as pool:
        pool.wait(10)
        with pool.connection() as connection:
            connection.execute("create table cut (data text)")
        _break_in_a_copy_out(field)
        _break_in_a_copy_in(field)
        with pool.connection(READY) as connection:
            assert connection.execute("select count(*) from cut").fetchone() == (0,)


def _break_in_a_copy_out(field: Field) -> None:
    endless = "copy (select repeat('x', 1000), generate_series(1, 100000000)) to stdout"
    with closing(psycopg.connect(DSN)) as connection, connection.cursor() as cursor:
        with pytest.raises(psycopg.OperationalError), cursor.copy(endless) as copy:
            for number, _ in enumerate(copy):
                if number == 2000:
                    mark = _kill_the_exec_command(field)
    field.mesh.wait_states_since(mark, "db", "ready", READY)


def _break_in_a_copy_in(field: Field) -> None:
    with closing(psycopg.connect(DSN)) as connection, connection.cursor() as cursor:
        with pytest.raises(psycopg.OperationalError), cursor.copy("copy cut from stdin") as copy:
            for number in range(1_000_000):
                copy.write("x" * 1000 + "\n")
                if number == 2000:
                    mark = _kill_the_exec_command(field)
    field.mesh.wait_states_since(mark, "db", "ready", READY)


def _kill_the_exec_command(field: Field) -> int:
    """Kill the ssh that leads to `db`; the number of events so far."""
    mark = len(field.mesh.events)
    field.mesh.exec_client("db").send_signal(signal.SIGKILL)
    return mark

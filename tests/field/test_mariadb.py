"""MariaDB behind ssh: its client on every host, a dump and its restore."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.field.field import DB, Field
from tests.transports.procs import run
from tests.transports.require import need_program

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(120)]

LOGIN = ("--no-defaults", f"--host={DB}", "--protocol=tcp", "--user=alice", "--password=secret")
ROWS = 4000
FILL = f"""\
create database {{name}};
use {{name}};
create table noise (id int primary key, data mediumblob);
insert into noise select seq, repeat(unhex(sha2(seq, 256)), 64) from seq_1_to_{ROWS};
"""
SUM = "select count(*), sum(length(data)), md5(group_concat(md5(data) order by id)) from noise"


@pytest.fixture(scope="module", autouse=True)
def mariadb(field: Field) -> Iterator[None]:
    server = need_program("mariadbd", "mariadb-server-core")
    install = need_program("mariadb-install-db", "mariadb-server-core")
    need_program("mariadb-dump", "mariadb-client")
    folder = field.make_folder("mariadb")
    data = ("--no-defaults", f"--datadir={folder}", "--user=root")
    run(install, *data, "--skip-test-db", "--auth-root-authentication-method=normal")
    setup = folder / "setup.sql"
    setup.write_text(
        "create user alice@localhost identified by 'secret';\n"
        "grant all on *.* to alice@localhost;\n"
    )
    own = (f"--socket={folder}/socket", f"--pid-file={folder}/pid", f"--init-file={setup}")
    fast = ("--innodb-flush-log-at-trx-commit=0", "--max-allowed-packet=64M")
    with field.serving("db", [server, *data, *own, *fast, "--bind-address=127.0.0.1"], 3306):
        yield


def ask(field: Field, at: str, sql: str, *options: str) -> str:
    words = ("mariadb", *LOGIN, "--batch", "--skip-column-names", *options, "-e", sql)
    return field.run(at, *words).strip()


@pytest.mark.parametrize("at", ["local", "db", "web", "box"])
def test_the_client_on_every_host(field: Field, at: str) -> None:
    assert ask(field, at, "select current_user()") == "alice@localhost"


def test_a_dump_and_its_restore(field: Field, tmp_path: Path) -> None:
    """The dump is made on one host and restored from another."""
    ask(field, "local", FILL.format(name="origin"))
    dump = tmp_path / "dump.sql"
    options = ("--hex-blob", "--single-transaction", f"--result-file={dump}")
    field.run("web", "mariadb-dump", *LOGIN, *options, "origin")
    assert dump.stat().st_size > ROWS * 2048 * 2
    ask(field, "local", "create database copy")
    restore = ("mariadb", *LOGIN, "copy")
    field.run("local", *restore, stdin=dump.read_bytes())
    counted = ask(field, "local", f"set group_concat_max_len = 1000000; {SUM}", "origin")
    assert counted.startswith(f"{ROWS}\t{ROWS * 2048}\t")
    assert ask(field, "local", f"set group_concat_max_len = 1000000; {SUM}", "copy") == counted


def test_the_server_ends_a_query(field: Field) -> None:
    sql = "set max_statement_time = 0.1; select sleep(30)"
    with pytest.raises(AssertionError, match="max_statement_time exceeded"):
        ask(field, "local", sql)

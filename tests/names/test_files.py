"""The texts of the names files."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.model import Host, StateDir
from norouter_core.names import files
from norouter_core.names.files import FileWrite, MeshNames, NamesPlan, plan_files

LONG = "x" * 64
HOSTS = (
    Host("Web", "127.0.42.101", None, aliases=("www.mesh", "w", "bad name", "1.2.3.4", LONG)),
    Host("no_good!", "127.0.42.102", None),
    Host("db", "127.0.42.103", ("x",), aliases=("WEB", "localhost", "db-1")),
)
LINES = "127.0.42.101\tWeb www.mesh w\n127.0.42.103\tdb db-1\n"
ALIASES = """\
# <Added-by-NoRouter>
Web 127.0.42.101.nip.io
w 127.0.42.101.nip.io
db 127.0.42.103.nip.io
db-1 127.0.42.103.nip.io
# </Added-by-NoRouter>
"""


def test_hosts() -> None:
    assert MeshNames(HOSTS).lines == LINES
    assert (
        files.hosts_text(MeshNames(HOSTS))
        == "# The names of the mesh, written by norouter\n" + LINES
    )
    assert MeshNames().lines == ""


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("a", True),
        ("A-1.b_c", True),
        ("3com", True),
        ("1.2.3.x", True),
        ("x" * 63, True),
        (".".join(["x" * 49] * 5), True),
        (".".join(["x" * 50] * 5), False),
        ("", False),
        ("a.", False),
        (".a", False),
        ("a..b", False),
        ("-a", False),
        ("a-", False),
        ("a b", False),
        ("a\n", False),
        ("a#b", False),
        ("b\u00fccher", False),
        ("\u0661", False),
        ("1", False),
        ("a.1", False),
        ("a.0x7f", False),
    ],
)
def test_hostnames(name: str, valid: bool) -> None:
    assert files.is_hostname(name) is valid


def test_hostaliases_without_another_file() -> None:
    assert files.hostaliases_text(MeshNames(HOSTS)) == ALIASES


def test_hostaliases_keeps_what_was_in_the_users_file() -> None:
    existing = "# mine  \nold old.example.org\nWEB web.example.org\n\noneword\r\nlast x.org"
    merged = files.hostaliases_text(MeshNames(HOSTS), existing)
    assert merged == ALIASES + "# mine  \nold old.example.org\nlast x.org\n"


def test_hostaliases_of_an_earlier_run_are_replaced() -> None:
    before = files.hostaliases_text(
        MeshNames([*HOSTS, Host("gone", "127.0.42.9", None)]), "old o.org\n"
    )
    assert "gone" in before
    assert files.hostaliases_text(MeshNames(HOSTS), before) == ALIASES + "old o.org\n"


@given(st.text())
def test_any_hostaliases_file_is_merged_once(existing: str) -> None:
    merged = files.hostaliases_text(MeshNames(HOSTS), existing)
    assert merged.startswith(ALIASES)
    assert files.hostaliases_text(MeshNames(HOSTS), merged) == merged
    # The C library gives up at a line that is one word.
    assert all(len(line.split()) >= 2 for line in merged[:-1].split("\n"))


def test_readme_says_how_to_use_them() -> None:
    text = files.readme_text(HOSTS[0], "~/.norouter/agent")
    assert "export HOSTALIASES=~/.norouter/agent/hostaliases\n" in text
    assert "dig -p 10053 @127.0.42.101 NAME" in text
    assert "{" not in text
    assert max(map(len, text.splitlines())) <= 100


# -- plans -----------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def the_usual_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the real path: nothing is written to it here."""
    monkeypatch.setattr("norouter_core.names.files.ETC_HOSTS", "/etc/hosts")


BLOCK = FileWrite("/etc/hosts", LINES, "block")
UNDO = FileWrite("/etc/hosts", "", "remove-block")


def test_a_plan_writes_the_state_dir() -> None:
    made = plan_files(MeshNames(HOSTS), HOSTS[0], "old o.org")
    assert [(w.path, w.mode) for w in made.writes] == [
        ("~/.norouter/agent/hosts", "replace"),
        ("~/.norouter/agent/hostaliases", "replace"),
        ("~/.norouter/agent/README", "replace"),
        ("/etc/hosts", "remove-block"),
    ]
    assert made.writes[1].text == ALIASES + "old o.org\n"
    assert made.removals == ()


@pytest.mark.parametrize(
    ("path", "directory"), [("/srv/x/", "/srv/x"), ("${XDG_STATE_HOME}/n", "${XDG_STATE_HOME}/n")]
)
def test_another_state_dir(path: str, directory: str) -> None:
    host = Host("a", "127.0.42.1", None, state_dir=StateDir(path))
    made = plan_files(MeshNames([host]), host)
    assert {w.path.rpartition("/")[0] for w in made.writes} == {directory, "/etc"}
    assert f"{directory}/hostaliases" in made.writes[2].text


def test_no_state_dir_and_etc_hosts() -> None:
    host = Host("Web", "127.0.42.101", None, state_dir=StateDir(disable=True), write_etc_hosts=True)
    made = plan_files(MeshNames(HOSTS), host)
    assert made == NamesPlan((BLOCK,)) and made.removals == (UNDO,)
    assert (
        plan_files(MeshNames([]), host) == NamesPlan((UNDO,))
        and plan_files(MeshNames([]), host).removals == ()
    )


def test_what_changes_from_plan_to_plan() -> None:
    host = Host("Web", "127.0.42.101", None, write_etc_hosts=True)
    old = plan_files(MeshNames(HOSTS), host)
    assert old.writes_for(old) == ()
    assert NamesPlan().writes_for(old) == old.writes
    without = replace(host, write_etc_hosts=False)
    assert old.writes_for(plan_files(MeshNames(HOSTS), without)) == (UNDO,)
    assert plan_files(MeshNames(HOSTS), without).writes_for(old) == (BLOCK,)
    more = plan_files(MeshNames([*HOSTS, Host("new", "127.0.42.104", None)]), host)
    assert [w.path.rpartition("/")[2] for w in old.writes_for(more)] == [
        "hosts",
        "hostaliases",
        "hosts",
    ]

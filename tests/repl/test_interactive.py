"""The REPL at a terminal, on a real session with real hosts."""

from __future__ import annotations

from pathlib import Path

import pytest
from prompt_toolkit.history import InMemoryHistory

from norouter_core.commands.tokenizer import join
from norouter_core.engine.status import HostState
from norouter_core.model import MeshSpec
from norouter_core.session.autosave import Autosave
from norouter_core.session.session import Session
from norouter_tui.repl import interactive
from tests.engine.meshes import exec_command, forward, host, local, relayed, vip
from tests.repl.repl_driver import CTRL_C, CTRL_D, ENTER, TAB, ReplDriver, drive_client, drive_repl
from tests.servers import connect, echoing, eventually
from tests.session.sessions import talk

pytestmark = pytest.mark.anyio

SH = join(exec_command())


def session(at: ReplDriver) -> Session:
    assert isinstance(at.client, Session)
    return at.client


def names(at: ReplDriver) -> list[str]:
    return [each.name for each in session(at).spec.hosts]


def is_ready(at: ReplDriver, name: str) -> bool:
    hosts = session(at).engine.status().hosts
    return any(each.name == name and each.state is HostState.READY for each in hosts)


async def test_a_host_is_added_shown_and_told_of_above_the_prompt() -> None:
    async with drive_repl() as at:
        at.type(f"host add web --vip {vip()} -- {SH}{ENTER}")
        await at.shows("host web ready")
        assert "Round trip" in await at.says("hosts", "ready  web")
        at.type("hosts --json" + ENTER)
        assert '"name":"web"' in await at.shows('"name":"web"')


async def test_a_mistake_is_pointed_at_and_costs_nothing() -> None:
    async with drive_repl() as at:
        told = await at.says("hots", "did you mean")
        assert "  hots\n  ^\n" in told
        await at.says("port add nowhere 80", "hint")
        await at.says('host add "x', "not closed")
        await at.says("", "norouter> ")
        assert names(at) == ["local"]


def login_shell(wait: str = "") -> str:
    """A command that fails and gets another one offered instead."""
    return f"host add web --vip {vip()} {wait} -- {join(exec_command()[:-1])} bash -l{ENTER}"


async def test_enter_on_an_empty_line_gets_the_command_that_works_instead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interactive, "REACTION_TIME", 0)
    async with drive_repl() as at:
        at.type(login_shell("--wait"))
        await at.shows("end the command before the shell")
        await at.shows("press Enter on an empty line to have that command")
        assert "norouter> host set" not in at.text
        at.type(ENTER)
        await at.shows("norouter> host set web -- env")
        at.type(ENTER)
        await at.shows("host web ready")
        await at.says("", "norouter> ")


async def test_another_command_withdraws_the_offer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactive, "REACTION_TIME", 0)
    async with drive_repl() as at:
        at.type(login_shell())
        await at.shows("press Enter on an empty line to have that command")
        await at.says("port add local 80:80", "local publishes 80")
        await at.shows("norouter> ")
        at.type(ENTER)
        await at.shows("norouter> ")
        await at.says("port add local 81:81", "local publishes 81")
        assert "norouter> host set" not in at.text


@pytest.mark.parametrize(
    ("reaction_time", "ahead"), [(0, ENTER + "port add local 80:80" + ENTER), (1e9, ENTER)]
)
async def test_what_was_typed_ahead_is_not_joined_to_the_offer(
    monkeypatch: pytest.MonkeyPatch, reaction_time: float, ahead: str
) -> None:
    monkeypatch.setattr(interactive, "REACTION_TIME", reaction_time)
    async with drive_repl() as at:
        at.type(login_shell("--wait") + ahead)
        await at.shows("press Enter on an empty line to have that command")
        await at.says("port add local 81:81", "local publishes 81")
        assert "norouter> host set" not in at.text
        published = [str(port) for port in session(at).spec.hosts[0].options.ports]
        assert ("80:localhost:80" in published) is (ahead != ENTER)


async def test_ctrl_c_clears_a_line_and_says_how_to_quit_on_an_empty_one() -> None:
    async with drive_repl() as at:
        at.type("host rm local" + CTRL_C)
        await at.shows("norouter> ")
        at.type(CTRL_C)
        await at.shows("to quit: Ctrl-D, or `quit`")
        assert names(at) == ["local"]
        at.type(CTRL_D)
        assert await at.ended() == 0


async def test_what_runs_is_cancelled_and_the_prompt_comes_back() -> None:
    async with drive_repl() as at:
        slow = join(exec_command("sleep", "60"))
        await at.says(f"host add slow --vip {vip()} -- {slow}", "host slow, ")
        await at.shows("norouter> ")
        await at.says("wait slow", "wait slow")
        await eventually(lambda: at.repl.is_running, "it waits")
        at.repl.interrupt()
        await at.shows("interrupted")
        await at.says("diff", "slow")


async def test_pasted_lines_run_one_by_one_once_return_is_hit() -> None:
    async with drive_repl() as at:
        add_a, add_b = (f"host add {name} --vip {vip()} -- {SH}" for name in "ab")
        at.paste(f"{add_a}\n{add_b}\n\n# none\nport add a 8080:80\n")
        assert names(at) == ["local"]
        at.type(ENTER)
        await at.shows("> port add a 8080:80")
        await at.shows("a publishes 8080:localhost:80")
        assert names(at) == ["local", "a", "b"]


async def test_what_follows_a_failure_stands_at_the_prompt() -> None:
    async with drive_repl() as at:
        at.paste(f"host add a --vip {vip()} -- {SH}\nport add x 80\nhost rm local")
        at.type(ENTER)
        await at.shows("the rest is at the prompt")
        await at.shows("norouter> port add x 80")
        at.type(CTRL_C)
        await at.shows("norouter> ")
        assert names(at) == ["local", "a"]


async def test_what_was_typed_ahead_is_not_joined_to_the_rest() -> None:
    async with drive_repl() as at:
        at.paste("port add x 80\nhost rm local")
        at.type(ENTER + "port add local 81:81" + ENTER)
        await at.shows("the rest is at the prompt")
        await at.shows("local publishes 81")
        await at.shows("norouter> port add x 80")
        at.type(CTRL_C)
        assert names(at) == ["local"]


async def test_completion_of_hosts_with_what_they_are() -> None:
    async with drive_repl(MeshSpec((local(), host("database")))) as at:
        at.type("host restart dat" + TAB)
        await at.shows("database")
        at.type(ENTER)
        await at.shows("restarted database")


async def test_a_suggestion_from_the_history_is_taken_by_the_right_arrow() -> None:
    async with drive_repl(history=InMemoryHistory(["host set local --alias hub"])) as at:
        at.type("host set")
        await at.shows("local --alias hub")
        at.type("\x1b[C" + ENTER)
        await eventually(lambda: session(at).spec.hosts[0].aliases == ("hub",), "it is set")


async def test_vi_keys() -> None:
    async with drive_repl(vi=True) as at:
        at.type("port add local 80:80\x1b")
        await at.shows("normal")
        at.type("BcW81:81" + ENTER)
        await eventually(
            lambda: (
                [str(p) for p in session(at).spec.hosts[0].options.ports] == ["81:localhost:81"]
            ),
            "the last word was changed",
        )


async def test_a_change_that_cuts_streams_asks_first() -> None:
    async with echoing() as port:
        spec = MeshSpec((local("hub"), relayed("web", forward(port))))
        async with drive_repl(spec) as at:
            await eventually(lambda: is_ready(at, "web"), "web is ready")
            await eventually(lambda: bound(at), "the port is bound")
            with await connect(bound(at)[0]) as client:
                assert await client.says(b"hello")
                at.type("port rm web 8080" + ENTER)
                asked = await at.shows("[y/N]")
                assert "-" in asked and "8080" in asked
                at.type("x" + ENTER)
                await at.shows("nothing was changed")
                assert await client.says(b"still there")
                at.type("port rm web 8080" + ENTER)
                await at.shows("[y/N]")
                at.type("y")
                await at.shows("yes")
                assert await client.is_reset()


def bound(at: ReplDriver) -> list[tuple[str, int]]:
    listeners = session(at).engine.status().listeners
    found = [x.bound.rpartition(":") for x in listeners if x.on_host == "hub" and x.bound]
    return [(name, int(port)) for name, _, port in found]


async def test_quit_with_unsaved_changes_asks_and_saves(tmp_path: Path) -> None:
    target = tmp_path / "saved.yaml"
    async with drive_repl() as at:
        await at.says(f"host add web --vip {vip()} -- {SH}", "web")
        at.type(CTRL_D)
        await at.shows("or [c]ancel?")
        at.type("c")
        await at.shows("nothing was changed")
        at.type("quit" + ENTER)
        await at.shows("or [c]ancel?")
        at.type("s")
        await at.shows("save as:")
        at.type(f"\x15{target}{ENTER}")
        await at.shows("saved")
        assert await at.ended() == 0
    assert "web" in target.read_text()


async def test_a_shell_command_runs_here_and_its_failure_is_told(tmp_path: Path) -> None:
    made = tmp_path / "made"
    async with drive_repl() as at:
        at.type(f"!touch {made}; exit 3{ENTER}")
        await at.shows("exit status 3")
        assert made.exists()
        await at.says("!", "must follow the `!`")


async def test_the_toolbar_counts(tmp_path: Path) -> None:
    async with drive_repl(MeshSpec((local(), host("web")))) as at:
        await at.shows("2/2 hosts ready")
        await at.says("port add web 99", "no file, unsaved")


async def test_hostile_text_of_a_host_reaches_the_screen_as_text() -> None:
    noisy = exec_command("sh", "-c", r"printf '\033[2Jboo\007\n' >&2; exit 7")
    async with drive_repl() as at:
        at.type(f"host add evil --vip {vip()} -- {join(noisy)}{ENTER}")
        await at.shows("exit status: 7")
        await at.shows("boo")
        assert "\x07" not in at.raw and "\x1b[2J" not in at.raw


@pytest.mark.parametrize(
    ("typed", "left"), [("host add web\r", 1), ("dn", 1), ("l", 1), ("dy", 0), ("r", 0)]
)
async def test_keys_typed_ahead_of_the_question_lose_no_work(
    tmp_path: Path, typed: str, left: int
) -> None:
    lost = Autosave(tmp_path)
    lost.keep(MeshSpec((local("lost"),)), "", ("host add lost",))
    lost._running.release()  # as the end of the process does it
    async with talk(local("hub"), folder=tmp_path) as say, drive_client(say.session, typed=typed):
        assert len(Autosave(tmp_path).recoverable()) == left
        assert ("lost" in str(say.session.spec)) == (typed == "r")

"""What the real ssh and sudo ask is asked of the user, and nothing empty is ever sent."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from norouter_core.engine.engine import Engine
from norouter_core.engine.events import QuestionAsked
from norouter_core.engine.status import HostState
from norouter_core.model import HostSpec, MeshSpec
from norouter_core.prompts.prompt import Prompt, PromptKind
from tests.engine.meshes import TIMING, Mesh, local, relayed
from tests.programs import ROOT
from tests.run.terminals import on_terminal
from tests.servers import eventually
from tests.transports.netns import Namespace
from tests.transports.require import need_program, need_root
from tests.transports.sshd import Ssh

pytestmark = [pytest.mark.root, pytest.mark.anyio]

USER, UID = "nrtasked", 45_671
PASSWORD = "correct horse"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def no_program_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_ASKPASS", raising=False)


@pytest.fixture
def accounts(tmp_path: Path) -> str:
    """Return shell commands that give a mount namespace a user with a password."""
    need_root()
    openssl = need_program("openssl", "openssl")
    hashed = subprocess.run(
        [openssl, "passwd", "-6", PASSWORD], capture_output=True, text=True, check=True
    ).stdout.strip()
    lines = {
        "passwd": f"{USER}:x:{UID}:{UID}::{tmp_path / 'home'}:/bin/sh",
        "shadow": f"{USER}:{hashed}:19000:0:99999:7:::",
    }
    (tmp_path / "home").mkdir()
    shutil.chown(tmp_path / "home", UID, UID)
    mounts = []
    for name, line in lines.items():
        copy = tmp_path / name
        copy.write_text(Path("/etc", name).read_text() + line + "\n")
        copy.chmod(0o644 if name == "passwd" else 0o600)
        mounts.append(f"mount --bind {copy} /etc/{name}")
    return " && ".join(mounts)


@dataclass(frozen=True, slots=True)
class Server:
    """An sshd that asks for a password, and what it logged."""

    log: Path
    command: tuple[str, ...]

    def host(self, name: str) -> HostSpec:
        return relayed(name, cmd=self.command)

    @property
    def trusting(self) -> tuple[str, ...]:
        """The command of a client to which every host key is right."""
        return (self.command[0], "-o", "StrictHostKeyChecking=no", *self.command[1:])

    def count(self, text: str) -> int:
        return self.log.read_text().count(text) if self.log.exists() else 0


@pytest.fixture
def server(ssh: Ssh, netns: Callable[[str], Namespace], tmp_path: Path, accounts: str) -> Server:
    """An sshd in a namespace, whose host key nobody knows yet."""
    log, config = tmp_path / "sshd.log", ssh.folder / "asking_config"
    settings = ssh.folder.joinpath("sshd_config").read_text()
    settings = settings.replace("PasswordAuthentication no", "PasswordAuthentication yes")
    config.write_text(settings + "LogLevel VERBOSE\nAuthorizedKeysFile none\n")
    script = f"{accounts} && exec {ssh.sshd} -i -f {config} -E {log}"
    enter = (*netns("to").enter("unshare", "-m", "--propagation", "private"), "sh", "-c")
    proxy = " ".join((*enter, f"'{script}'"))
    client = ssh.folder / "asking_client"
    client.write_text(
        f"Host to\n  User {USER}\n  ProxyCommand {proxy}\n  UserKnownHostsFile {tmp_path}/known\n"
        "  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking ask\n"
        "  PubkeyAuthentication no\n  KbdInteractiveAuthentication no\n"
    )
    return Server(log, ("ssh", "-F", str(client), "to"))


async def ask(engine: Engine) -> Prompt:
    prompts = engine.questions.prompts
    await eventually(lambda: prompts.shown, "a question")
    return prompts.shown[0]


async def answer(engine: Engine, text: str, *, remember: bool = False) -> Prompt:
    prompt = await ask(engine)
    assert engine.questions.prompts.answer(prompt.number, text, remember=remember)
    await eventually(
        lambda: prompt not in engine.questions.prompts.shown, "the question has been answered"
    )
    return prompt


async def test_an_unknown_host_key_and_a_password(server: Server) -> None:
    async with Engine(TIMING) as engine:
        made = Mesh(engine)
        with engine.questions.prompts.attend():
            await engine.apply(MeshSpec((local(), server.host("one"))))
            key = await answer(engine, "yes")
            assert key.kind is PromptKind.YES_NO
            assert "SHA256:" in key.text
            wrong = await answer(engine, "wrong", remember=True)
            assert (wrong.text, wrong.refused) == (f"{USER}@to's password:", False)
            assert (await answer(engine, PASSWORD)).refused
            await made.in_state("one", HostState.READY)
    assert server.count("Failed password") == 1
    assert server.count("Accepted password") == 1


async def test_one_answer_serves_several_hosts(server: Server) -> None:
    async with Engine(TIMING) as engine:
        made = Mesh(engine)
        with engine.questions.prompts.attend():
            hosts = [relayed(name, cmd=server.trusting) for name in ("one", "two", "three")]
            await engine.apply(MeshSpec((local(), *hosts)))
            await answer(engine, PASSWORD, remember=True)
            for name in ("one", "two", "three"):
                await made.in_state(name, HostState.READY)
            asked = [event for event in made.events() if isinstance(event, QuestionAsked)]
            assert len(asked) == 1
    assert server.count("Failed password") == 0
    assert server.count("Accepted password") == 3


@pytest.mark.parametrize("is_attended", [True, False])
async def test_nothing_is_sent_without_an_answer(server: Server, is_attended: bool) -> None:
    async with Engine(TIMING) as engine:
        made = Mesh(engine)
        if is_attended:
            with engine.questions.prompts.attend():
                await engine.apply(MeshSpec((local(), server.host("one"))))
                await answer(engine, "yes")
                assert engine.questions.prompts.cancel((await ask(engine)).number)
                host = await made.in_state("one", HostState.FAILED)
        else:
            await engine.apply(MeshSpec((local(), relayed("one", cmd=server.trusting))))
            host = await made.in_state("one", HostState.FAILED)
        assert host.problem is not None
        assert host.problem.kind == ("cancelled" if is_attended else "nobody-to-ask")
    assert server.count("Connection from") > 0
    assert server.count("Failed password") == 0


async def test_the_passphrase_of_a_key(ssh: Ssh, netns: Callable[[str], Namespace]) -> None:
    key = ssh.folder / "user_key"
    change = ("ssh-keygen", "-q", "-p", "-P", "", "-N", PASSWORD, "-f", str(key))
    subprocess.run(change, check=True)
    command = tuple(ssh.client("-o", "BatchMode=no", netns("to").name))
    async with Engine(TIMING) as engine:
        made = Mesh(engine)
        with engine.questions.prompts.attend():
            await engine.apply(MeshSpec((local(), relayed("one", cmd=command))))
            first = await answer(engine, "wrong")
            assert first.text == f"Enter passphrase for key '{key}':"
            assert first.may_be_empty
            assert (await answer(engine, PASSWORD)).refused
            await made.in_state("one", HostState.READY)


def _reachable(folder: Path) -> str:
    """Return shell commands that let a user reach the Python of the tests below /root."""
    places = {Path(sys.base_prefix), Path(sys.prefix), ROOT}
    hidden = sorted(place for place in places if place.is_relative_to("/root"))
    hidden = [x for x in hidden if not any(x != y and x.is_relative_to(y) for y in hidden)]
    if not hidden:
        return "true"
    steps = []
    for number, place in enumerate(hidden):
        steps += [f"mkdir {folder}/{number}", f"mount --bind {place} {folder}/{number}"]
    steps.append("mount -t tmpfs -o mode=755 tmpfs /root")
    for number, place in enumerate(hidden):
        steps += [f"mkdir -p {place}", f"mount --bind {folder}/{number} {place}"]
    return " && ".join(steps)


def test_sudo_asks_at_the_terminal_of_a_run(accounts: str, tmp_path: Path) -> None:
    need_program("sudo", "sudo")
    rules = tmp_path / "sudoers"
    rules.write_text(f"Defaults env_reset\n{USER} ALL=(ALL) ALL\n")
    rules.chmod(0o440)
    places = tmp_path / "places"
    places.mkdir()
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and folder.name.startswith(("pytest", "popen", tmp_path.name)):
            folder.chmod(folder.stat().st_mode | 0o055)
    script = (
        f"{accounts} && mount --bind {rules} /etc/sudoers && {_reachable(places)} && "
        f'exec setpriv --reuid={UID} --regid={UID} --clear-groups "$0" "$@"'
    )
    home = tmp_path / "home"
    line = "host add web --vip 127.94.71.2 --wait -- sudo env"
    words = ("-c", "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])", "unshare", "-m")
    run = (*words, "--propagation", "private", "sh", "-c", script, sys.executable)
    program = ("-m", "norouter_tui", "repl", "-c", line)
    with contextlib.ExitStack() as stack:
        # The path of a socket is short.
        runtime = stack.enter_context(tempfile.TemporaryDirectory(prefix="nrt"))
        shutil.chown(runtime, UID, UID)
        terminal = stack.enter_context(
            on_terminal(
                home,
                *run,
                *program,
                program=(),
                HOME=str(home),
                TMPDIR=runtime,
                XDG_RUNTIME_DIR=runtime,
            )
        )
        terminal.shows(f"web asks: [sudo] password for {USER}: ")
        terminal.type("wrong\n")
        terminal.shows("[y/N] ")
        terminal.type("\n")
        terminal.shows("web asks again: ")
        terminal.type(f"{PASSWORD}\n")
        terminal.shows("[y/N] ")
        terminal.type("\n")
        assert terminal.ends() == 0, terminal.text


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs procfs")
async def test_a_password_is_not_for_another_alias_of_the_same_name(server: Server) -> None:
    config = Path(server.command[2])
    config.write_text(config.read_text().replace("Host to\n", "Host to other\n  HostName to\n"))
    one, same = (relayed(name, cmd=server.trusting) for name in ("one", "same"))
    other = relayed("other", cmd=(*server.trusting[:-1], "other"))
    async with Engine(TIMING) as engine:
        made = Mesh(engine)
        with engine.questions.prompts.attend():
            await engine.apply(MeshSpec((local(), one)))
            first = await answer(engine, PASSWORD, remember=True)
            await made.ready()
            await engine.apply(MeshSpec((local(), one, same, other)))
            second = await answer(engine, PASSWORD)
            assert (second.host, second.text) == ("other", first.text)
            await made.ready()

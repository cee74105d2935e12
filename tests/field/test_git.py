"""git over ssh, over its own protocol and over HTTP: clone, push, clone again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.field.field import HTTP, WEB, Field
from tests.field.nginx import NAME, Nginx
from tests.transports.netns import Namespace
from tests.transports.procs import run
from tests.transports.require import need_program

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(120)]


@dataclass(frozen=True, slots=True)
class Origin:
    """Repositories on `web`, all alike: one for each way, so that each can be pushed to."""

    bases: Mapping[str, str]
    env: Mapping[str, str]


@pytest.fixture(scope="module")
def origin(
    field: Field, nginx: Nginx, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Origin]:
    git = need_program("git", "git")
    _make_repositories(tmp_path_factory.mktemp("source"), nginx.git)
    web = field.places["web"]
    assert isinstance(web, Namespace)
    options = ("--listen=127.0.0.1", "--export-all", "--enable=receive-pack", "--reuseaddr")
    daemon = [git, "daemon", *options, f"--base-path={nginx.git}", str(nginx.git)]
    bases = {
        "ssh": f"ssh://root@{WEB}{nginx.git}/ssh.git",
        "git": f"git://{WEB}/git.git",
        "http": f"http://{WEB}/git/http.git",
        "http by proxy": f"http://{NAME}/git/proxy.git",
    }
    ssh = " ".join(field.ssh.client())
    config = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_SSH_COMMAND": ssh}
    names = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b.test"}
    names |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b.test"}
    with field.serving("web", daemon, 9418), field.ssh.daemon(web, 22):
        yield Origin(bases, {**config, **names})


def _make_repositories(source: Path, into: Path) -> None:
    git = ("git", "-C", str(source), "-c", "user.name=a", "-c", "user.email=a@b.test")
    run("git", "init", "--quiet", str(source))
    for number in range(5):
        (source / f"file{number}").write_text(f"{number}\n" * 1000)
        run(*git, "add", ".")
        run(*git, "commit", "--quiet", "-m", f"change {number}")
    (source / "large").write_bytes(os.urandom(1 << 20))
    run(*git, "add", ".")
    run(*git, "commit", "--quiet", "-m", "much data")
    for name in ("ssh", "git", "http", "proxy"):
        run("git", "clone", "--quiet", "--bare", str(source), str(into / f"{name}.git"))
        run("git", "-C", str(into / f"{name}.git"), "config", "http.receivepack", "true")


@pytest.mark.parametrize("way", ["ssh", "git", "http", "http by proxy"])
def test_clone_and_push(
    field: Field, origin: Origin, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in origin.env.items():
        monkeypatch.setenv(name, value)
    if "proxy" in way:
        monkeypatch.setenv("http_proxy", f"http://{HTTP}")
    one, other = tmp_path / "one", tmp_path / "other"
    run("git", "clone", "--quiet", origin.bases[way], str(one))
    (one / "more").write_bytes(os.urandom(1 << 20))
    run("git", "-C", str(one), "add", ".")
    run("git", "-C", str(one), "commit", "--quiet", "-m", "more data")
    run("git", "-C", str(one), "push", "--quiet")
    # From another host of the mesh, by the proxy from this one.
    at = "local" if "proxy" in way else "box"
    field.run(at, "git", "clone", "--quiet", origin.bases[way], str(other))
    for name in ("more", "large", "file4"):
        assert (other / name).read_bytes() == (one / name).read_bytes(), name

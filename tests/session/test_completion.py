"""Completion in a session: what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.meshes import forward, local, relayed
from tests.servers import connect, echoing, eventually
from tests.session.sessions import Talk, talk

pytestmark = pytest.mark.anyio


async def offered(say: Talk, line: str) -> list[str]:
    """The lines that completion at the end leads to."""
    found = await say.session.complete(line, len(line))
    assert len({one.text for one in found}) == len(found)
    return [line[: one.start] + one.text for one in found]


async def test_hosts_ports_streams_and_routes(tmp_path: Path) -> None:
    async with echoing() as port, talk(local("hub"), relayed("web", forward(port))) as say:
        await say.ok("host set web --alias www")
        await say.ok("route add web *.x")
        assert await offered(say, "host rm w") == ["host rm web", "host rm www"]
        assert await offered(say, "host rm web ww") == ["host rm web www"]
        assert await offered(say, "port rm web 8") == ["port rm web 8080"]
        assert await offered(say, "route rm ") == ["route rm 1"]
        assert await offered(say, "streams host:w") == ["streams host:web"]
        web = say.session.spec.host("web")
        assert web is not None
        (vip,) = await offered(say, "host set web --vip 127.")
        assert vip.rpartition(".")[0] == f"host set web --vip {web.vip.rpartition('.')[0]}"
        with await connect((web.vip, 8080)):
            await eventually(lambda: say.session.engine.status().streams, "a stream is open")
            assert await offered(say, "stream kill ") == ["stream kill 1"]


async def test_files(tmp_path: Path) -> None:
    for name in ("a.txt", "a b.yaml", "mesh.yml", ".hidden"):
        (tmp_path / name).touch()
    (tmp_path / "at").mkdir()
    async with talk(local()) as say:
        assert await offered(say, f"load {tmp_path}/a") == [
            f"load '{tmp_path}/a b.yaml'",
            *(f"load {tmp_path}/at/", f"load {tmp_path}/a.txt"),
        ]
        assert await offered(say, f"load '{tmp_path}/a b") == [f"load '{tmp_path}/a b.yaml'"]
        assert await offered(say, f"load {tmp_path}/.h") == [f"load {tmp_path}/.hidden"]
        assert await offered(say, "load /no/such/folder/x") == []


async def test_verbs_and_exec_commands() -> None:
    async with talk(local()) as say:
        assert await offered(say, "stat") == ["status"]
        assert "host add x -- ssh" in await offered(say, "host add x -- s")
        assert await offered(say, "exec hub -- l") == []

"""The docker client with a daemon that another host of the mesh has: DOCKER_HOST=tcp://VIP:2375."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.field.field import ENGINE, Field
from tests.transports.engines import Engine
from tests.transports.procs import Background, run

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(120)]

DOCKERFILE = """\
FROM python
COPY noise /noise
RUN wc -c < /noise > /size
CMD ["python3", "-u", "-c", "import time\\nfor n in range(1000): print(n), time.sleep(0.02)"]
"""


@pytest.fixture(scope="module")
def docker(field: Field) -> Engine:
    return Engine("docker", {"DOCKER_HOST": f"tcp://{ENGINE}:2375", "DOCKER_BUILDKIT": "0"})


@pytest.fixture(scope="module")
def image(field: Field, docker: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image that was built over the mesh; the context has 8 MiB of noise."""
    folder = tmp_path_factory.mktemp("context")
    (folder / "noise").write_bytes(os.urandom(8 << 20))
    (folder / "Dockerfile").write_text(DOCKERFILE)
    build = docker.command("build", "--network=none", "-t", "built", str(folder))
    told = field.run("local", *build)
    assert "Successfully built" in told
    yield "built"
    field.run("local", *docker.command("rmi", "-f", "built"))


def test_exec_carries_bytes_both_ways(docker: Engine, image: str, tmp_path: Path) -> None:
    with docker.container("counting", image) as container:
        assert run(*container.enter("cat", "/size")).strip() == str(8 << 20)
        # The client half-closes, and the answer still comes whole.
        noise = os.urandom(4 << 20)
        got = tmp_path / "noise"
        script = 'exec "$@" > "$0"'
        run("sh", "-c", script, str(got), *container.enter("cat"), stdin=noise)
        assert got.read_bytes() == noise
        with pytest.raises(AssertionError, match="exit 7"):
            run(*container.enter("sh", "-c", "exit 7"))


def test_logs_are_followed(docker: Engine, image: str, tmp_path: Path) -> None:
    docker.run("run", "-d", "--network", "none", "--name", "talking", image)
    try:
        argv = docker.command("logs", "-f", "talking")
        with Background(argv, stderr=tmp_path / "logs.stderr") as following:
            following.wait_until(lambda: len(following.lines) > 30, 20, "lines as they come")
            docker.run("kill", "talking")
            assert following.process.wait(10) == 0
        assert following.lines == [str(number) for number in range(len(following.lines))]
    finally:
        docker.run("rm", "-f", "talking")

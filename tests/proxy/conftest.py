"""Sessions are tried over real sockets on asyncio, and in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.proxy.memory_ends import Bench


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=[False, True], ids=["direct", "over links"])
def links(request: pytest.FixtureRequest) -> bool:
    """Whether clients and targets are reached over links."""
    over: bool = request.param
    return over


@pytest.fixture(autouse=True)
def no_proxies_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """curl and urllib would heed them, `no_proxy` above all."""
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme}_PROXY".upper(), raising=False)


@pytest.fixture(autouse=True)
def benches() -> Iterator[None]:
    """Closes the sessions of `Bench`, which tests leave in the middle."""
    yield
    while Bench.made:
        Bench.made.pop().close()

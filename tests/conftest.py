"""Hypothesis profiles: quick for `make test`, long for `.ci/run` (`--hypothesis-profile=long`)."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from norouter_core.names import files

settings.register_profile(
    "quick", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "long", max_examples=5_000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("quick")


@pytest.fixture(scope="session", autouse=True)
def no_files_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Every mesh writes its names into the home of each of its hosts, and these are all here."""
    home, hosts = os.environ.get("HOME"), files.ETC_HOSTS
    folder = tmp_path_factory.mktemp("home")
    os.environ["HOME"] = str(folder)
    files.ETC_HOSTS = str(folder / "etc-hosts")
    yield
    files.ETC_HOSTS = hosts
    if home is None:
        del os.environ["HOME"]
    else:
        os.environ["HOME"] = home

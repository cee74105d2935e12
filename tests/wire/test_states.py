"""The table of stream states is the one in SPEC.md section 4."""

from __future__ import annotations

from importlib.resources import files

import pytest

from norouter_core.wire import frames, states
from norouter_core.wire.errors import LocalProtocolError, ProtocolError, RemoteProtocolError

KINDS = [frames.OPENED, frames.DATA, frames.CREDIT, frames.EOF, frames.RESET, frames.DATAGRAM]
DIRECTIONS = {"!": states.SENT, "?": states.GOT}
ERRORS = {states.SENT: LocalProtocolError, states.GOT: RemoteProtocolError}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def spec_table() -> dict[tuple[str, str, int], str]:
    """Return SPEC.md's table: the cell for each state, direction and type of frame."""
    text = files("norouter_core.wire").joinpath("SPEC.md").read_text("utf-8")
    lines = text[text.index("| state |") :].partition("\n\n")[0].splitlines()
    kinds = {name: kind for kind, name in frames.NAMES.items()}
    # A heading such as "!RESET, ?RESET" stands for both directions.
    columns = [
        [(DIRECTIONS[word[0]], kinds[word[1:]]) for word in heading.split(", ")]
        for heading in cells(lines[0])[1:]
    ]
    table = {}
    for line in lines[2:]:
        state, *row = cells(line)
        for keys, cell in zip(columns, row, strict=True):
            for direction, kind in keys:
                table[state, direction, kind] = cell
    return table


SPEC = spec_table()


def test_the_spec_has_a_cell_for_every_state_direction_and_frame() -> None:
    described = [kind for kind in KINDS if kind != frames.DATAGRAM]
    everything = {(s, d, k) for s in states.STATES for d in DIRECTIONS.values() for k in described}
    assert set(SPEC) == everything


@pytest.mark.parametrize("state", states.STATES)
@pytest.mark.parametrize("direction", DIRECTIONS.values())
@pytest.mark.parametrize("kind", KINDS)
def test_every_cell_is_as_the_spec_says(state: str, direction: str, kind: int) -> None:
    cell = SPEC[state, direction, frames.DATA if kind == frames.DATAGRAM else kind]
    if cell == "-":
        with pytest.raises(ERRORS[direction]) as caught:
            states.next_state(state, direction, kind)
        assert caught.value.code == "stream"
        assert state in caught.value.reason and frames.NAMES[kind] in caught.value.reason
        assert direction == states.GOT or not states.may_send(state, kind)
    else:
        expected = state if cell == "stays" else cell
        assert states.next_state(state, direction, kind) == expected
        assert direction == states.GOT or states.may_send(state, kind)


@pytest.mark.parametrize("state", [s for s in states.STATES if s != states.CLOSED])
def test_every_open_state_can_reach_an_orderly_end(state: str) -> None:
    seen: set[str] = set()
    todo = [state]
    while todo:
        here = todo.pop()
        if here in seen:
            continue
        seen.add(here)
        for direction in DIRECTIONS.values():
            for kind in (frames.OPENED, frames.EOF):
                try:
                    todo.append(states.next_state(here, direction, kind))
                except ProtocolError:
                    continue
    assert states.CLOSED in seen

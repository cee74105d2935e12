"""The parts without a screen: cells, columns, the merged manifest, history, settings, copying."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.text import Text
from textual.events import Key, Paste

from norouter_core.commands.results import Bytes
from norouter_core.engine.status import HostState
from norouter_core.engine.tap import MAX_KEPT
from norouter_core.model import HostOptions, HostSpec, MeshSpec, ProxySpec
from norouter_tui.run.history import LineHistory
from norouter_tui.screen.copying import copy_lines
from norouter_tui.screen.dialogs.tap import Direction
from norouter_tui.screen.settings import ScreenSettings, load_settings
from norouter_tui.screen.terminal import InputParser
from norouter_tui.screen.views.manifest import merge_diff
from norouter_tui.screen.views.ports import rows_of
from norouter_tui.screen.views.streams import COLUMNS
from norouter_tui.screen.widgets.cells import (
    age,
    fit,
    round_trip_text,
    short_size,
    sparkline,
    to_cells,
    with_named_styles,
    wrap,
)
from norouter_tui.screen.widgets.grid import GAP, fit_columns
from tests.output.statuses import host, listener
from tests.tui import snapshots


@pytest.mark.parametrize(
    "number", [0, 1, 999, 1000, 1023, 1024, 99_999, 10**6, 10**9, 2**50, 2**60]
)
def test_bytes_fit_into_five_cells(number: int) -> None:
    assert len(short_size(number)) <= 5


def test_times_fit_into_their_cells() -> None:
    assert [age(s) for s in (-1, 0, 59.7, 60, 3599, 3600, 86400 * 400)] == [
        "0s", "0s", "59s", "1m", "59m", "1h", "400d",
    ]  # fmt: skip
    assert [round_trip_text(s) for s in (None, 0.00084, 0.35, 1.5, 70)] == [
        "", "0.8 ms", "350 ms", "1.5 s", "70 s",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "abc", "日本語日本語", "e\u0301" * 20, "x" * 99])
@pytest.mark.parametrize("width", [0, 1, 2, 5, 7, 40])
def test_a_text_fits_exactly(text: str, width: int) -> None:
    for right in (False, True):
        assert cell_len(fit(text, width, right=right)) == width


def test_a_sparkline_is_as_wide_as_asked_and_a_trickle_is_low() -> None:
    assert sparkline((), 4) == "    "
    assert sparkline((0, 10, 1e9), 4) == " ▁▁█"
    assert sparkline((10, 10, 10), 2) == "▁▁"


@pytest.mark.parametrize("room", range(0, 240, 7))
def test_columns_never_overlap_and_more_room_never_shows_fewer(room: int) -> None:
    wanted = [30] * len(COLUMNS)
    placed = fit_columns(COLUMNS, wanted, room)
    assert [p.left for p in placed] == sorted(p.left for p in placed)
    for one, other in itertools.pairwise(placed):
        assert one.left + one.width + GAP == other.left
    assert not placed or placed[-1].left + placed[-1].width <= room
    assert {p.column.key for p in placed} <= {
        p.column.key for p in fit_columns(COLUMNS, wanted, room + 7)
    }


def test_a_diff_is_merged_into_the_text_it_leads_to() -> None:
    diff = (
        "--- a\n+++ b\n@@ -1,3 +1,3 @@\n one\n-two\n+zwei\n three\n@@ -8,2 +8,1 @@\n eight\n-nine"
    )
    text = "one\nzwei\nthree\n4\n5\n6\n7\neight\n"
    rows = [(row.number, row.sign, row.text) for row in merge_diff(text, diff)]
    assert rows[:4] == [(1, " ", "one"), (None, "-", "two"), (2, "+", "zwei"), (3, " ", "three")]
    assert rows[-2:] == [(8, " ", "eight"), (None, "-", "nine")]
    assert all(row.sign == " " for row in merge_diff(text, ""))


def test_history_is_walked_by_what_was_typed(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "history"
    history = LineHistory(file)
    for line in ("hosts", "port add web 80", "hosts", "hosts"):
        history.add(line)
    assert history.step(-1, "port") == "port add web 80"
    assert history.step(-1, "port add web 80") is None
    assert history.step(1, "x") == "port"
    again = LineHistory(file)
    assert [again.step(-1, "") for _ in range(4)] == ["hosts", "port add web 80", "hosts", None]
    assert file.stat().st_mode & 0o777 == 0o600
    assert LineHistory(tmp_path).step(-1, "") is None  # a folder is no file


def test_settings_are_read_and_what_is_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    names, themes = ["quit", "freeze"], ["norouter-dark", "nord"]
    assert load_settings(file, themes, names) == (ScreenSettings(), [])
    file.write_text(
        '[screen]\ntheme = "nord"\nrefresh = 1\nvi = false\n[keys]\nquit = "ctrl+q,Q"\n'
    )
    settings, problems = load_settings(file, themes, names)
    assert not problems
    assert (settings.theme, settings.refresh, settings.vi) == ("nord", 1.0, False)
    assert settings.keymap["quit"] == "ctrl+q,Q" and settings.keymap["up"] == "up"
    file.write_text(
        '[screen]\ntheme = "norrd"\nrefresh = 0\n[keys]\nquitt = "q"\nfreeze = 3\n[x]\n'
    )
    settings, problems = load_settings(file, themes, names)
    assert settings == ScreenSettings()
    assert {(p.line, p.hint) for p in problems} == {
        (2, "did you mean nord?"),
        (3, "give seconds from 0.1 to 10"),
        (5, "did you mean quit?"),
        (6, 'write "x", "ctrl+x", "f5" or "x,y"'),
        (7, "known tables: [screen] and [keys]"),
    }
    file.write_text("[screen]\ntheme = nord\n")
    assert [p.line for p in load_settings(file, themes, names)[1]] == [2]
    file.write_bytes(b"\xff\xfe")
    assert load_settings(file, themes, names)[1]


def test_lines_to_copy_fit_what_they_are_for() -> None:
    mesh = MeshSpec(
        (
            HostSpec(
                "local",
                "127.0.42.100",
                options=HostOptions(socks=ProxySpec("127.0.0.1", 1080, "ann:p@s/w%20#x:y z")),
            ),
        )
    )
    ports = [
        listener(listen="127.0.42.101:2222", bound="127.0.42.101:2222", target="127.0.0.1:22"),
        listener("local", listen="127.0.42.101:53/udp", bound="127.0.42.101:53/udp"),
        listener("local", to_host="local", listen="127.0.0.1:1080", bound="127.0.0.1:1080",
                 target="SOCKS proxy", service="socks"),
    ]  # fmt: skip
    here = host("local", command="", vip="127.0.42.100")
    snapshot = snapshots.snapshot(of_hosts=[here, host()], of_listeners=ports, mesh=mesh)
    proxy, udp, ssh = (copy_lines(row, snapshot)[0] for row in rows_of(snapshot))
    assert ssh == "ssh -p 2222 127.0.42.101"
    assert udp == "nc -u 127.0.42.101 53"
    url = "socks5h://ann:p%40s%2Fw%2520%23x%3Ay%20z@127.0.0.1:1080"
    assert proxy.startswith(f"curl --proxy {url} ")


def test_the_last_bytes_are_kept_and_offsets_stay_true() -> None:
    side = Direction()
    side.add(Bytes("sent", b"a" * (MAX_KEPT + 5)))
    side.add(Bytes("sent", b"bc"))
    assert len(side.kept) == MAX_KEPT and side.total == MAX_KEPT + 7
    first, *_, last = side.hex_lines(80)
    assert first.plain.startswith(f"{16:08x}  61 61")
    assert last.plain.endswith("aaaaabc")
    side.add(Bytes("sent", b"z", skipped=100))
    assert [line.plain[:12] for line in side.hex_lines(80)] == []
    assert [line.plain for line in side.text_lines(80)] == ["z"]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_a_paste_is_text_from_its_first_character_to_its_last(step: int) -> None:
    pasted = "a\x1b[31mb\x1b\x1b[20q\x1b[A" + "x" * 40 + "\x1b"
    read = f"k\x1b[200~{pasted}\x1b[201~\x1b[A"
    parser = InputParser()
    pieces = [read[:7], *(read[at : at + step] for at in range(7, len(read), step))]
    events = [event for piece in pieces for event in parser.feed(piece)]
    assert [event.key for event in events if isinstance(event, Key)] == ["k", "up"]
    assert [e.text for e in events if isinstance(e, Paste)] == [pasted.replace("\x1b", " ")]


@pytest.mark.parametrize("before", [0, 1 << 36])
@pytest.mark.parametrize("width", [29, 31, 42, 43, 60, 75, 76, 200])
def test_hex_shows_every_byte_in_the_room_there_is(width: int, before: int) -> None:
    side = Direction()
    side.add(Bytes("sent", b"", skipped=before))
    side.add(Bytes("sent", bytes(range(48, 112))))
    lines = list(side.hex_lines(width))
    assert all(line.cell_len <= width for line in lines)
    rows = [line.plain.split("  ")[1].split() for line in lines]
    assert bytes.fromhex("".join(pair for row in rows for pair in row)) == bytes(range(48, 112))


def test_texts_keep_their_colours_when_they_are_wrapped() -> None:
    text = with_named_styles(Text.assemble("host ", ("db", "bold"), ": ", ("no " * 30, "bold red")))
    lines = wrap(text, 30)
    assert all(line.cell_len <= 30 for line in lines)
    assert all(
        style == "bad" for line in lines[1:] for part, style in to_cells(line) if part.strip()
    )
    plain = "".join("".join(part for part, _ in to_cells(line)) for line in lines)
    assert plain.replace(" ", "") == text.plain.replace(" ", "")


def test_a_port_tells_the_worst_of_its_hosts() -> None:
    states = [row.state.text for row in rows_of(snapshots.snapshot())]
    assert states == ["● here", "● on 3 hosts", *states[2:3], "↻ db backing off"]
    assert "Address already in use" in states[2]
    down = [replace(host(), state=HostState.FAILED)]
    assert rows_of(snapshots.snapshot(of_hosts=down))[0].target_host is not None

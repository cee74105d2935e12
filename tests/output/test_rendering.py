"""Outputs of commands as a person, a pipe and a program get them."""

from __future__ import annotations

import base64
import json

import pytest
from rich.cells import cell_len
from rich.text import Text

from norouter_core.commands.results import (
    Bytes,
    Column,
    Diff,
    Failure,
    Lines,
    Output,
    Table,
    Unit,
)
from norouter_tui.output.display import Display
from norouter_tui.output.hexdump import ByteFormat, ByteText
from norouter_tui.output.rendering import MAX_ROWS, failure_lines, json_lines, lines

COLUMNS = (
    Column("state", "State", Unit.STATE),
    Column("name", "Host"),
    Column("trip", "Round trip", Unit.SECONDS),
    Column("bytes", "Forth", Unit.BYTES),
    Column("command", "Command"),
)
ROW = {
    "state": "ready",
    "name": "web",
    "trip": 0.0123,
    "bytes": 3 << 20,
    "command": "docker exec -i web",
    "pid": 7,
}


class Sheet:
    """A paper that keeps what is written."""

    def __init__(self, width: int | None) -> None:
        self.width = width
        self.text = ""
        self.raw: list[tuple[str, bytes]] = []

    def write(self, text: Text) -> None:
        self.text += text.plain

    def write_bytes(self, source: str, data: bytes) -> None:
        self.raw.append((source, data))


def table(*rows: dict[str, object]) -> Table:
    return Table("hosts", COLUMNS, rows)


def shown(*outputs: Output, width: int | None = 80, **how: object) -> Sheet:
    sheet = Sheet(width)
    display = Display(sheet, **how)  # type: ignore[arg-type]  # the keywords of Display
    for output in outputs:
        display(output)
    display.close()
    return sheet


def test_a_table_for_a_person_formats_by_unit() -> None:
    text = shown(table(ROW)).text
    head, row = text.splitlines()
    assert head.split() == ["State", "Host", "Round", "trip", "Forth", "Command"]
    assert row.split() == ["ready", "web", "12", "ms", "3.0", "MiB", "docker", "exec", "-i", "web"]


@pytest.mark.parametrize("width", [60, 79])
def test_a_table_fits_into_the_terminal_and_loses_nothing_of_its_texts(width: int) -> None:
    command = "ssh -o ProxyCommand=" + "x" * 120
    drawn = lines(table({**ROW, "command": command}), width)
    assert max(line.cell_len for line in drawn) <= width
    assert sum(line.plain.count("x") for line in drawn) >= 120


def test_a_row_becomes_lines_where_the_terminal_is_too_narrow_for_columns() -> None:
    assert shown(table(ROW, {"state": "lost", "name": "db"}), width=30).text.splitlines() == [
        "State: ready",
        "  Host: web",
        "  Round trip: 12 ms",
        "  Forth: 3.0 MiB",
        "  Command: docker exec -i web",
        "State: lost",
        "  Host: db",
    ]


def test_texts_at_the_end_stand_below_their_row_where_they_do_not_fit() -> None:
    lost: dict[str, object] = {"state": "lost", "name": "db", "command": "ssh db"}
    assert shown(table(ROW, lost), width=44).text.splitlines() == [
        "State  Host  Round trip    Forth",
        "ready  web        12 ms  3.0 MiB",
        "  Command: docker exec -i web",
        "lost   db",
        "  Command: ssh db",
    ]


def test_a_long_table_ends_with_how_much_is_left_out_on_a_terminal_alone() -> None:
    many = table(*[ROW] * (MAX_ROWS + 2))
    assert lines(many, 80)[-1].plain == "... and 2 rows more"
    assert len(lines(many, None)) == 1 + MAX_ROWS + 2


def test_a_table_on_a_pipe_is_aligned_and_has_its_titles_even_without_rows() -> None:
    text = shown(table({**ROW, "name": "データ"}, {"state": "lost", "name": "b"}), width=None).text
    head, one, other = text.splitlines()
    assert cell_len(one[: one.index("12 ms")]) + len("12 ms") == head.index("trip") + len("trip")
    assert other.split() == ["lost", "b"]
    assert len(shown(table(), width=None).text.splitlines()) == 1
    assert shown(table()).text == "no hosts\n"


@pytest.mark.parametrize("width", [80, None])
def test_tables_that_follow_each_other_are_one_that_grows(width: int | None) -> None:
    short = {**ROW, "name": "w", "trip": 1.0}
    rows = shown(table(ROW), table(short), Lines("-"), table(ROW), width=width).text.splitlines()
    titles = [number for number, row in enumerate(rows) if row.startswith("State")]
    assert titles == [0, 4]
    assert rows[2].index("1.0 s") + len("1.0 s") == rows[1].index("12 ms") + len("12 ms")


def test_states_are_coloured_and_told_by_their_word() -> None:
    row = lines(table({"state": "failed", "name": "web"}), 80)[-1]
    assert "failed" in row.plain
    assert any("red" in str(span.style) for span in row.spans)


@pytest.mark.parametrize(
    "output",
    [table({**ROW, "name": "a\x1b[2Jb\n\u202ec"}), Lines("\x1b[2J"), Diff("+\x1b]0;x\x07\n")],
)
@pytest.mark.parametrize("width", [80, None])
def test_nothing_hostile_reaches_a_screen(output: Output, width: int | None) -> None:
    text = shown(output, width=width).text
    assert not set(text) & {"\x1b", "\x07", "\u202e"}
    assert "\\x1b" in text


def test_json_is_a_row_a_line_with_raw_values_and_what_has_no_column() -> None:
    rows = shown(table(ROW, ROW), as_json=True).text.splitlines()
    assert [json.loads(row) for row in rows] == [ROW, ROW]
    assert list(json_lines(Diff("+a\n"))) == ['{"diff":"+a\\n"}']
    assert list(json_lines(Lines("a\nb\x7f"))) == ['{"text":"a\\nb\\u007f"}']
    (line,) = json_lines(Bytes("received", b"\x00\xff"))
    assert base64.b64decode(json.loads(line)["base64"]) == b"\x00\xff"


def test_a_diff_is_coloured_by_its_signs() -> None:
    styles = {line.plain: line.style for line in lines(Diff("--- a\n+++ b\n@@ @@\n x\n-y\n+z"), 80)}
    assert (styles["-y"], styles["+z"], styles[" x"]) == ("red", "green", "")
    assert styles["--- a"] == styles["+++ b"] == "bold"


def test_a_failure_points_at_its_place() -> None:
    told = failure_lines(
        Failure("no host web", "host", hint="known: db"), "host rm\tweb", 10, "x.nr:3:10"
    )
    assert [line.plain for line in told] == [
        "x.nr:3:10: no host web",
        "  host rm web",
        "           ^",
        "  hint: known: db",
    ]


def test_a_tap_tells_the_directions_apart_and_keeps_lines_together() -> None:
    sheet = shown(
        Bytes("sent", b"GET / HT"),
        Bytes("sent", b"TP/1.1\r\n\r\n"),
        Bytes("received", "caf\u00e9\n".encode()[:4]),
        Bytes("received", "caf\u00e9\n".encode()[4:] + b"more"),
        Bytes("sent", b"x"),
    )
    assert sheet.text.splitlines() == ["> GET / HTTP/1.1", "> ", "< caf\u00e9", "< more", "> x"]


def test_what_is_no_text_is_dumped_with_running_offsets() -> None:
    sheet = shown(Bytes("received", b"ok\n"), Bytes("received", bytes(range(20))), width=60)
    assert sheet.text.splitlines() == [
        "< ok",
        "< 00000003  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f  ................",
        "< 00000013  10 11 12 13" + " " * 36 + "  ....",
    ]
    dumped = shown(Bytes("sent", b"plain"), form=ByteFormat.HEX).text
    assert dumped.startswith("> 00000000  70 6c 61 69 6e") and dumped.endswith("  plain\n")


def test_bytes_never_steer_the_terminal() -> None:
    view = ByteText(ByteFormat.TEXT)
    text = "".join(part.plain for part in view.feed("stdout", b"\x1b[31mred\x1b[0m\xff\x07\n"))
    assert text == "\\x1b[31mred\\x1b[0m\\xff\\x07\n"


def test_what_a_command_wrote_goes_through_a_pipe_as_it_is() -> None:
    sheet = shown(Bytes("stdout", b"\x00\x1b"), Bytes("stderr", b"no\n"), width=None)
    assert (sheet.text, sheet.raw) == ("", [("stdout", b"\x00\x1b"), ("stderr", b"no\n")])
    assert shown(Bytes("stdout", b"a\nb")).text == "a\nb\n"

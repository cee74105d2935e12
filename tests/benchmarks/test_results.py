from __future__ import annotations

import pytest

from benchmarks.report import figure, marks_table, plain, table, to_json
from benchmarks.results import Mark, Results, marks, percentile, rows


def test_percentile_is_by_nearest_rank() -> None:
    values = [5.0, 1.0, 3.0, 2.0, 4.0]
    assert percentile(values, 50) == 3.0
    assert percentile(values, 99) == 5.0
    assert percentile(values, 20) == 1.0
    assert percentile([7.0], 1) == 7.0


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], 0), ([1.0], 101)])
def test_percentile_of_nothing_is_refused(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, percent)


def test_median_and_ratio() -> None:
    results = Results()
    for speed in (100.0, 900.0, 300.0):
        results.add("bulk.down.1", "ours", speed)
    results.add("bulk.down.1", "direct", 1200.0)
    assert results.median("bulk.down.1", "ours") == 300.0
    assert results.ratio("bulk.down.1", "ours", "direct") == 0.25
    assert results.ratio("bulk.down.1", "ours", "ssh") is None
    assert results.median("bulk.up.1", "ours") is None


def test_row_keys_are_unique() -> None:
    keys = [row.key for row in rows()]
    assert len(keys) == len(set(keys))


def test_every_mark_reads_a_row_that_exists() -> None:
    results = Results()
    for row in rows():
        for path in ("direct", "ssh-gcm", "ours"):
            results.add(row.key, path, 1.0)
    assert [mark.text for mark in marks(results) if mark.measured is None] == []


@pytest.mark.parametrize(
    ("measured", "at_least", "verdict"),
    [
        (0.8, True, "ok"),
        (0.79, True, "missed"),
        (0.8, False, "missed"),
        (0.79, False, "ok"),
        (None, True, "not measured"),
    ],
)
def test_verdict(measured: float | None, at_least: bool, verdict: str) -> None:
    assert Mark("fairness", measured, 0.8, at_least).verdict == verdict


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (1520.4, "1520"), (65.04, "65.0"), (0.256, "0.26"), (-3.0, "-3.00")],
)
def test_figure(value: float | None, text: str) -> None:
    assert figure(value) == text


def test_table_has_only_measured_rows_and_possible_ratios() -> None:
    results = Results()
    results.add("bulk.up.8", "direct", 1000.0)
    results.add("bulk.up.8", "ours", 500.0)
    results.add("fairness.up", "ours", 0.9)
    assert table(results, {"direct": "direct", "ours": "ours"}) == [
        ["", "", "direct", "ours", "ours/direct"],
        ["bulk up, 8 streams", "MiB/s", "1000", "500", "0.50"],
        ["fairness up, 64 streams", "first/last", "-", "0.90", "-"],
    ]


def test_plain_text_is_aligned() -> None:
    lines = [["", "direct", "ours"], ["bulk", "1000", "5"], ["ping-pong", "30", "300"]]
    assert plain(lines, left=1).splitlines() == [
        "           direct  ours",
        "bulk         1000     5",
        "ping-pong      30   300",
    ]


def test_marks_table_says_what_is_wanted() -> None:
    lines = marks_table([Mark("agent RSS idle, MiB", 12.0, 25.0, at_least=False)])
    assert lines[1] == ["agent RSS idle, MiB", "< 25.0", "12.0", "ok"]


def test_json_has_all_runs() -> None:
    results = Results()
    results.add("pingpong.p50", "ours", 200.0)
    results.add("pingpong.p50", "ours", 300.0)
    results.note("ssh -L: skipped")
    results.note("ssh -L: skipped")
    values = to_json(results, {"direct": "direct", "ours": "ours"}, {"cpus": 2})
    (row,) = values["rows"]
    assert row["paths"] == {"ours": {"median": 250.0, "runs": [200.0, 300.0]}}
    assert values["notes"] == ["ssh -L: skipped"]
    assert [m["verdict"] for m in values["marks"] if m["mark"].startswith("ping")] == ["ok"]

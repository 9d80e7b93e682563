"""The figures of all parts in one."""

from typing import Any

import pytest

from perf.peers import REFERENCE
from perf.summary import FIGURES, RATIOS, Figure, best_peer, shown, summary, table, verdict

LATENCY: dict[str, Any] = {
    "machine": {"cores": 2},
    "half_load": 4,
    "cases": [
        {"sessions": count, "chunk_ms": chunk_ms, "final_ms": {"p50": p50, "p95": 290.0},
         "first_partial_ms": {"p95": 480.0}, "flicker": 0.1}
        for count, chunk_ms, p50 in ((1, 20, 210.0), (4, 40, 260.0), (4, 20, 250.0))
    ],
}  # fmt: skip


def figure(aim: float | None, at_most: bool = True) -> Figure:
    return Figure("a", "part", lambda one: one["a"], "what it says", " ms", aim, at_most)


def test_latency_is_that_at_half_load_with_chunks_of_40_ms() -> None:
    assert summary({"latency": LATENCY})["final_p50_ms"] == 260.0


def test_what_smaller_chunks_and_a_session_alone_wait_is_told_beside_it() -> None:
    cases = [
        {**case, "final_ms": {"p50": 0.0, "p95": case["sessions"] + case["chunk_ms"]}} for case in LATENCY["cases"]
    ]
    found = summary({"latency": {**LATENCY, "cases": cases}})
    assert (found["final_p95_ms_chunks_20"], found["final_p95_ms_alone"]) == (24, 21)


def test_what_was_not_measured_is_null() -> None:
    found = summary({"latency": LATENCY, "density": None})
    assert found["sessions_per_core"] is None
    assert found["cold_start_ms"] is None


def test_figures_without_a_knee_are_null() -> None:
    density = {"loads": {"continuous": {"knee": 0, "sessions_per_core": 0.0, "cases": []}}}
    found = summary({"density": density})
    assert (found["sessions_per_core"], found["wer_delta_points"]) == (0.0, None)


def test_the_peer_that_carries_most_is_compared_with() -> None:
    peers = {"one": {"sessions_per_core": 0.5}, "two": {"sessions_per_core": 2.0}, "three": {"skipped": "no model"}}
    assert best_peer({"peers": peers}) == 2.0


@pytest.mark.parametrize(
    ("aim", "at_most", "value", "words"),
    [
        (300, True, 300, "met"),
        (300, True, 330, "missed by 10%"),
        (0.8, False, 0.9, "met"),
        (0.8, False, 0.6, "missed by 25%"),
        (None, True, 5, ""),
        (300, True, None, ""),
    ],
)
def test_an_aim_is_met_or_missed_by_a_part_of_itself(
    aim: float | None, at_most: bool, value: float | None, words: str
) -> None:
    assert verdict(figure(aim, at_most), value) == words


def test_the_table_has_a_row_a_figure_and_says_what_was_not_measured() -> None:
    rows = table(summary({"latency": LATENCY})).splitlines()
    assert len(rows) == 2 + len(FIGURES) + len(RATIOS)
    assert rows[2].endswith("| 260 ms | at most 260 ms | met |")
    assert sum("not measured" in row for row in rows) == len(FIGURES) - 6 + len(RATIOS)


def test_figures_are_shown_with_three_digits_that_say_something() -> None:
    assert [shown(value, "") for value in (0.8512, 41.26, 263.4, None)] == ["0.851", "41.3", "263", "not measured"]


def test_a_core_s_sessions_are_compared_with_those_of_the_peer_that_is_named() -> None:
    density = {"loads": {"continuous": {"knee": 0, "sessions_per_core": 15.0, "cases": []}}}
    peers = {REFERENCE: {"sessions_per_core": 2.0}, "another": {"sessions_per_core": 3.0}}
    found = summary({"density": density, "peers": {"peers": peers}})
    assert (found["peer_sessions_per_core"], found["best_peer_sessions_per_core"]) == (2.0, 3.0)
    assert (found["times_peer"], found["share_of_bare"]) == (7.5, None)

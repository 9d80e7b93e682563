"""What is drawn."""

from pathlib import Path
from typing import Any

import pytest

from perf import plots


def case(sessions: int, p95: float | None) -> dict[str, Any]:
    return {"sessions": sessions, "final_ms": {"p50": p95 and p95 / 2, "p95": p95}}


DENSITY: dict[str, Any] = {
    "machine": {"cores": 2},
    "loads": {"continuous": {"knee": 4, "cases": [case(4, 400.0), case(8, 900.0)]}},
}


def test_a_run_without_finals_has_no_point() -> None:
    assert plots.line([case(4, 400.0), case(8, None)], "p95") == ([4], [400.0])


def test_a_peer_that_was_skipped_tried_no_load() -> None:
    assert plots.sessions_of([{"skipped": "no model"}, {"cases": [case(4, None)]}]) == [4]


def test_the_same_figures_give_the_same_drawing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra 'bench'")
    monkeypatch.setattr(plots, "RESULTS", tmp_path)
    drawn = []
    for _ in range(2):
        plots.draw(DENSITY, {"peers": {"peer": {"skipped": "no model"}}})
        drawn.append((tmp_path / "density.svg").read_bytes())
    assert drawn[0] == drawn[1]

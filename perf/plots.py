"""The results as drawings, perf/results/*.svg: the same figures give the same bytes."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import click

from perf.knee import FINAL_LIMIT_MS

RESULTS: Final = Path(__file__).parent / "results"
SIZE_IN: Final = (8.0, 4.5)
LONGEST_MS: Final = 2_000
"""Waits beyond this are beyond the drawing: how far a queue has grown says only how long the run was."""


@click.command()
def main() -> None:
    """Draw what was measured; needs matplotlib (pip install 'voxflow[bench]').

    \b
    Example:
      python -m perf.plots
    """
    if find_spec("matplotlib") is None:
        click.echo("no plots: matplotlib is not installed; pip install 'voxflow[bench]'", err=True)
        sys.exit(1)
    density = RESULTS / "density.json"
    if not density.exists():
        click.echo("no plot of the density: it was not measured", err=True)
        sys.exit(1)
    peers = RESULTS / "peers.json"
    draw(json.loads(density.read_text()), json.loads(peers.read_text()) if peers.exists() else {"peers": {}})


def draw(density: Mapping[str, Any], peers: Mapping[str, Any]) -> None:
    """Waits for finals by the number of live sessions: Voxflow's p50 and p95 with its knee, the peers' p95."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "voxflow"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=SIZE_IN, layout="constrained")
    for number, (name, search) in enumerate(density["loads"].items()):
        colour = f"C{number}"
        axes.plot(*line(search["cases"], "p95"), "o-", color=colour, label=f"Voxflow, {name}, p95")
        axes.plot(*line(search["cases"], "p50"), "o:", color=colour, label=f"Voxflow, {name}, p50")
        if search["knee"]:
            axes.axvline(search["knee"], color=colour, alpha=0.3, linewidth=6)
    for number, (name, peer) in enumerate(peers["peers"].items(), start=len(density["loads"])):
        if "skipped" not in peer:
            axes.plot(*line(peer["cases"], "p95"), "s--", color=f"C{number}", label=f"{name}, p95")
    axes.axhline(FINAL_LIMIT_MS, color="grey", linewidth=0.8)
    axes.set(xlabel=f"live sessions on {density['machine']['cores']} cores (broad line: the knee)", xscale="log",
             ylabel="end of speech to final text, ms", ylim=(0, LONGEST_MS))  # fmt: skip
    counts = sorted({count for loads in (density["loads"], peers["peers"]) for count in sessions_of(loads.values())})
    axes.set_xticks(counts, labels=map(str, counts))
    axes.minorticks_off()
    axes.legend(fontsize="small")
    path = RESULTS / "density.svg"
    figure.savefig(path, metadata={"Date": None})
    click.echo(f"written to {path}")


def sessions_of(searches: Iterable[Mapping[str, Any]]) -> list[int]:
    """Every load that was tried."""
    return [case["sessions"] for search in searches for case in search.get("cases", ())]


def line(cases: Sequence[Mapping[str, Any]], percentile: str) -> tuple[list[int], list[float]]:
    """Sessions and waits of the cases that have one."""
    points = [(case["sessions"], case["final_ms"][percentile]) for case in cases]
    known = [(sessions, wait_ms) for sessions, wait_ms in points if wait_ms is not None]
    return [sessions for sessions, _ in known], [wait_ms for _, wait_ms in known]


if __name__ == "__main__":
    main()

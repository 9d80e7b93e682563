"""All results in one: perf/results/summary.json for programs, perf/results/table.md for the README."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from perf.peers import REFERENCE
from pipeline.client.machine import machine

RESULTS: Final = Path(__file__).parent / "results"

Results = Mapping[str, Mapping[str, Any] | None]
"""Part to what it wrote; None where it wrote nothing."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of the summary: the part it comes from and how it is found there, what it says, what is aimed at.

    ``at_most`` tells whether the aim is an upper limit, else it is a lower one. Figures without an aim have None.
    """

    name: str
    part: str
    found: Callable[[Mapping[str, Any]], float | None]
    says: str
    unit: str = ""
    aim: float | None = None
    at_most: bool = True

    def value(self, results: Results) -> float | None:
        """None where its part, or the figure in it, is missing."""
        part = results.get(self.part)
        return None if part is None else self.found(part)


def half_load(latency: Mapping[str, Any], chunk_ms: int = 40) -> Mapping[str, Any]:
    """The run at half load with chunks of that length, or of the nearest that there is."""
    cases = [case for case in latency["cases"] if case["sessions"] == latency["half_load"]] or latency["cases"]
    case: Mapping[str, Any] = min(cases, key=lambda one: abs(one["chunk_ms"] - chunk_ms))
    return case


def alone(latency: Mapping[str, Any]) -> Mapping[str, Any]:
    """The run of the fewest sessions with the smallest chunks."""
    case: Mapping[str, Any] = min(latency["cases"], key=lambda one: (one["sessions"], one["chunk_ms"]))
    return case


def reference_peer(peers: Mapping[str, Any]) -> float | None:
    """Sessions a core of the peer that the aim names; None where it was not measured."""
    found: float | None = peers["peers"].get(REFERENCE, {}).get("sessions_per_core")
    return found


def best_peer(peers: Mapping[str, Any]) -> float | None:
    """Sessions a core of the peer that carries most; None where none was measured."""
    carried = [one["sessions_per_core"] for one in peers["peers"].values() if "skipped" not in one]
    return max(carried, default=None)


def at_knee(density: Mapping[str, Any], name: str) -> float | None:
    """A figure of the run at the knee of continuous speech; None where there is no knee."""
    search = density["loads"]["continuous"]
    found: float | None = next((case[name] for case in search["cases"] if case["sessions"] == search["knee"]), None)
    return found


FIGURES: Final = (
    Figure("final_p50_ms", "latency", lambda one: half_load(one)["final_ms"]["p50"],
           "end of speech to final at half load, chunks of 40 ms, the silence of 200 ms included, p50", " ms", 260),
    Figure("final_p95_ms", "latency", lambda one: half_load(one)["final_ms"]["p95"], "the same, p95", " ms", 300),
    Figure("final_p95_ms_chunks_20", "latency", lambda one: half_load(one, 20)["final_ms"]["p95"],
           "the same with chunks of 20 ms, p95", " ms", 300),
    Figure("final_p95_ms_alone", "latency", lambda one: alone(one)["final_ms"]["p95"],
           "the same for one session alone, chunks of 20 ms, p95", " ms", 300),
    Figure("first_partial_p95_ms", "latency", lambda one: half_load(one)["first_partial_ms"]["p95"],
           "start of speech to first words at half load, chunks of 40 ms, p95", " ms", 600),
    Figure("flicker", "latency", lambda one: half_load(one)["flicker"], "share of shown words that were taken back"),
    Figure("sessions_per_core", "density", lambda one: one["loads"]["continuous"]["sessions_per_core"],
           "live sessions a core, speaking without a pause, finals within 500 ms and news every 2 s at p95"),
    Figure("sessions_per_core_60", "density",
           lambda one: one["loads"].get("60 % speech", {}).get("sessions_per_core"),
           "the same, speaking 60 % of the time"),
    Figure("peer_sessions_per_core", "peers", reference_peer,
           "live sessions a core that moonshine-voice keeps up with at two updates a second, its finals late or not"),
    Figure("best_peer_sessions_per_core", "peers", best_peer,
           "the same for the best of the peers, with as few updates as the rule allows"),
    Figure("audio_s_per_core_s", "density", lambda one: at_knee(one, "audio_s_per_core_s"),
           "seconds of audio a core-second of the TaskManager at the knee"),
    Figure("bare_audio_s_per_core_s", "bare", lambda one: one["batched_audio_s_per_core_s"],
           "seconds of audio a core-second, finals alone by the bare engine in batches"),
    Figure("backlog_ratio", "backlog", lambda one: one["ratio"],
           "a backlog's speed next to that of the bare engine", aim=0.85, at_most=False),
    Figure("plumbing_sessions_per_core", "plumbing", lambda one: one.get("plumbing_sessions_per_core"),
           "live sessions a core without the speech model, 60 % speech", aim=300, at_most=False),
    Figure("plumbing_cost_ratio_2000_to_50", "plumbing", lambda one: one.get("plumbing_cost_ratio_2000_to_50"),
           "cost of a session among 2000 next to one among 50", aim=1.2),
    Figure("wer_delta_points", "density", lambda one: at_knee(one, "wer_delta_points"),
           "word error rate live at the knee, above that of the bare engine", " points", 0.5),
    Figure("cold_start_ms", "cold_start", lambda one: one["job"]["first_recognition_ms"],
           "first recognition of a job that has just started", " ms", 500),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ratio:
    """A figure by another one, and how many times as large it should be at least, if that was said."""

    name: str
    of: str
    by: str
    says: str
    aim: float | None
    unit: str = ""
    at_most: bool = False

    def value(self, found: Mapping[str, float | None]) -> float | None:
        """None where one of the two is missing."""
        numerator, denominator = found[self.of], found[self.by]
        return numerator / denominator if numerator is not None and denominator else None


RATIOS: Final = (
    Ratio("times_peer", "sessions_per_core", "peer_sessions_per_core",
          "live sessions a core, next to moonshine-voice at two updates a second", 10, " times"),
    Ratio("times_best_peer", "sessions_per_core", "best_peer_sessions_per_core",
          "the same, next to the best of the peers", None, " times"),
    Ratio("share_of_bare", "sessions_per_core", "bare_audio_s_per_core_s",
          "live sessions a core, next to what the bare engine could do for finals alone", 0.6),
)  # fmt: skip


@click.command()
def main() -> None:
    """Gather perf/results/*.json; exit code 1 if a figure is missing.

    \b
    Example:
      python -m perf.summary
    """
    results = {part: read(RESULTS / f"{part}.json") for part in sorted({figure.part for figure in FIGURES})}
    found = summary(results)
    (RESULTS / "summary.json").write_text(json.dumps({"machine": machine(), **found}, indent=2) + "\n")
    (RESULTS / "table.md").write_text(table(found))
    click.echo(table(found))
    missing = [figure.name for figure in FIGURES if found[figure.name] is None]
    if missing:
        click.echo(f"missing: {', '.join(missing)}", err=True)
    sys.exit(1 if missing else 0)


def read(path: Path) -> Mapping[str, Any] | None:
    """What a part wrote."""
    if not path.exists():
        return None
    found: Mapping[str, Any] = json.loads(path.read_text())
    return found


def summary(results: Results) -> dict[str, Any]:
    """Every figure by name, and how each part's machine describes itself."""
    machines = {part: found["machine"] for part, found in results.items() if found and "machine" in found}
    figures = {figure.name: figure.value(results) for figure in FIGURES}
    return {**figures, **{ratio.name: ratio.value(figures) for ratio in RATIOS}, "machines": machines}


def table(found: Mapping[str, float | None]) -> str:
    """Markdown: what was measured, the aim, and by how much it was met or missed."""
    rows = [f"| {one.says} | {shown(found[one.name], one.unit)} | {aim(one)} | {verdict(one, found[one.name])} |"
            for one in (*FIGURES, *RATIOS)]  # fmt: skip
    return "\n".join(["| | measured | aim | |", "|---|---|---|---|", *rows]) + "\n"


def shown(value: float | None, unit: str) -> str:
    return "not measured" if value is None else f"{value:.3g}{unit}" if abs(value) < 100 else f"{value:.0f}{unit}"


def aim(figure: Figure | Ratio) -> str:
    if figure.aim is None:
        return ""
    return f"{'at most' if figure.at_most else 'at least'} {figure.aim:g}{figure.unit}"


def verdict(figure: Figure | Ratio, value: float | None) -> str:
    """Whether the aim was met, and by how much of itself it was missed."""
    if figure.aim is None or value is None:
        return ""
    over = (value - figure.aim) if figure.at_most else (figure.aim - value)
    return "met" if over <= 0 else f"missed by {over / figure.aim:.0%}"


if __name__ == "__main__":
    main()

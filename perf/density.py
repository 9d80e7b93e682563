"""How many live sessions does a core carry, in time, and what do they cost?

The number of sessions is raised until finals or partials come too late: the knee. perf/README.md says what is measured.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from perf.job import TASK_MANAGER, MeasuredJob, engine_work, measured_job
from perf.knee import knee, next_load, served
from perf.latency import stages
from perf.live import SPREAD_MS, Played, play
from perf.shown import (
    Segments,
    by_segment,
    final_waits_ms,
    first_text_waits_ms,
    flicker,
    shown,
    silences_ms,
    texts_by_session,
    within,
)
from perf.speech import CONTINUOUS, Corpus, Voice
from perf.wer import audio, scored, whole_text
from pipeline.client.machine import machine
from pipeline.domain.scoring import WordErrors, percentiles, word_errors
from pipeline.engines.base import EngineSettings, load_recognizer
from pipeline.errors import VoxflowError

RESULTS: Final = Path(__file__).parent / "results" / "density.json"
CHUNK_MS: Final = 100
SETTLING_MS: Final = 3_000
"""After the last session began: until then the load is not yet what it is to be."""

MOST: Final = 96
PAUSED_SHARE: Final = 0.6


@dataclass
class Cast:
    """The voices of one share of speech, made when they are first wanted, and the texts that each ever had."""

    corpus: Corpus
    seconds: float
    share: float
    voices: list[Voice] = field(default_factory=list)
    texts: dict[int, set[str]] = field(default_factory=dict)

    def first(self, count: int) -> list[Voice]:
        self.voices += [
            self.corpus.voice(number, self.seconds, self.share) for number in range(len(self.voices), count)
        ]
        return self.voices[:count]

    def note(self, number: int, text: str) -> None:
        self.texts.setdefault(number, set()).add(text)

    @property
    def changed(self) -> dict[int, list[str]]:
        """The texts of voices that had not the same under every load."""
        return {number: sorted(found) for number, found in self.texts.items() if len(found) > 1}


@click.command()
@click.argument("folder", envvar="VOXFLOW_SPEECH", default="../shared/speech/dev", type=click.Path(path_type=Path))
@click.option("--seconds", type=click.FloatRange(10), default=40.0, show_default=True, help="How long each run lasts.")
@click.option("--first", type=click.IntRange(1), default=8, show_default=True, help="Sessions of the first run.")
@click.option("--runs", type=click.IntRange(1), default=6, show_default=True, help="At most, of continuous speech.")
@click.option("--paused-runs", type=click.IntRange(0), default=3, show_default=True, help="At most, of 60 % speech.")
def main(folder: Path, seconds: float, first: int, runs: int, paused_runs: int) -> None:
    """Find how many live sessions the local stack carries; writes perf/results/density.json.

    \b
    Examples:
      python -m perf.density                                       about nine minutes
      python -m perf.density --runs 1 --paused-runs 0 --first 4    one load, a minute and a half with the start
    """
    corpus = Corpus.found_in(folder)
    casts = {"continuous": Cast(corpus, seconds, CONTINUOUS), "60 % speech": Cast(corpus, seconds, PAUSED_SHARE)}
    try:
        with measured_job(click.echo) as job:
            measured(job, Cast(corpus, 10.0, CONTINUOUS), 4)
            found = {"continuous": searched(job, casts["continuous"], first, runs)}
            if paused_runs:
                likely = max(1, round((found["continuous"]["knee"] or first) / PAUSED_SHARE))
                found["60 % speech"] = searched(job, casts["60 % speech"], likely, paused_runs)
    except VoxflowError as error:
        raise click.ClickException(str(error)) from error
    add_engine_errors(corpus, casts, found)
    conclude(corpus, found)


def searched(job: MeasuredJob, cast: Cast, first: int, runs: int) -> dict[str, Any]:
    """Loads until the knee is known, or so many ``runs`` were made; ``is_bounded`` tells whether one was too much."""
    cases: dict[int, dict[str, Any]] = {}
    while len(cases) < runs:
        tried = {count: case["served"] for count, case in cases.items()}
        if (count := next_load(tried, first, MOST)) is None:
            break
        cases[count] = measured(job, cast, count)
        click.echo(told(cases[count]))
    tried = {count: case["served"] for count, case in cases.items()}
    held = knee(tried)
    return {
        "knee": held,
        "is_bounded": not all(tried.values()),
        "sessions_per_core": round(held / len(os.sched_getaffinity(0)), 2),
        "voices_whose_text_changed_with_the_load": len(cast.changed),
        "changed_texts": cast.changed,
        "cases": [cases[count] for count in sorted(cases)],
    }


def measured(job: MeasuredJob, cast: Cast, count: int) -> dict[str, Any]:
    """One run of ``count`` sessions."""
    voices = cast.first(count)
    for voice in voices:
        voice.chunks(CHUNK_MS)
    counted, cpu = job.counters(), job.cpu()
    played = play(job.kafka, voices, CHUNK_MS)
    cores = job.cpu().since(cpu)
    work = engine_work(counted, job.counters())
    return figures(cast, voices, played, cores) | {"engine": work, "cores_busy": cores}


def figures(cast: Cast, voices: Sequence[Voice], played: Played, cores: Mapping[str, float]) -> dict[str, Any]:
    """What a run says: waits in milliseconds while all sessions spoke, word errors of all that was said."""
    everything = by_segment(shown(played.arrivals, played.starts_ms))
    steady = within(everything, SPREAD_MS + SETTLING_MS, min(voice.lasts_ms for voice in voices) - SPREAD_MS)
    finals_ms, unchanged_ms = percentiles(final_waits_ms(steady)), percentiles(silences_ms(steady))
    finals = [arrival for arrival in played.arrivals if arrival.transcript.is_final]
    audio_s = sum(voice.lasts_ms for voice in voices) / 1000
    return {
        "sessions": len(voices),
        "served": served(finals_ms["p95"], unchanged_ms["p95"]),
        "finals": len(final_waits_ms(steady)),
        "final_ms": finals_ms,
        "first_partial_ms": percentiles(first_text_waits_ms(steady)),
        "nothing_new_for_ms": unchanged_ms,
        "flicker": flicker(steady),
        "stages_ms": stages(finals),
        "audio_s": round(audio_s, 1),
        "last_text_after_the_last_chunk_s": round(played.lagged_s, 2),
        "generator_late_ms": round(played.late_ms),
        "audio_s_per_core_s": round(audio_s / (played.took_s * cores[TASK_MANAGER]), 2),
        "wer": scored(errors(cast, voices, played, everything)),
    }


def errors(cast: Cast, voices: Sequence[Voice], played: Played, segments: Segments) -> list[WordErrors]:
    """Of each session, in the order of ``voices``."""
    texts = {played.sessions[session]: text for session, text in texts_by_session(segments).items()}
    for number, text in texts.items():
        cast.note(number, text)
    return [word_errors(cast.corpus.reference(voice), texts.get(voice.number, "")) for voice in voices]


def add_engine_errors(corpus: Corpus, casts: Mapping[str, Cast], found: dict[str, dict[str, Any]]) -> None:
    """The word errors of the bare engine on the same recordings, each in one piece, beside those of every load."""
    texts = engine_texts(corpus, {one for cast in casts.values() for voice in cast.voices for one in voice.said})
    for name, search in found.items():
        for case in search["cases"]:
            voices = casts[name].first(case["sessions"])
            said = [" ".join(texts[one] for one in voice.said) for voice in voices]
            references = [corpus.reference(voice) for voice in voices]
            case["wer_of_engine"] = scored([word_errors(*pair) for pair in zip(references, said, strict=True)])
            case["wer_delta_points"] = round(100 * (case["wer"]["wer"] - case["wer_of_engine"]["wer"]), 2)


def engine_texts(corpus: Corpus, wanted: set[int]) -> dict[int, str]:
    """Recording to its text by the bare engine."""
    click.echo(f"recognising {len(wanted)} recordings with the bare engine")
    recognizer = load_recognizer(EngineSettings.from_environ(os.environ))
    return {one: whole_text(recognizer, audio(corpus.spoken[one].path)) for one in sorted(wanted)}


def conclude(corpus: Corpus, found: Mapping[str, Any]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    record = {
        "machine": machine(),
        "speech": corpus.name,
        "chunk_ms": CHUNK_MS,
        "client_niceness": os.getpriority(os.PRIO_PROCESS, 0),
        "loads": found,
    }
    RESULTS.write_text(json.dumps(record, indent=2, default=_plain) + "\n")
    Console(width=160).print(table(found))
    click.echo(f"written to {RESULTS}")


def table(found: Mapping[str, Any]) -> Table:
    """A row a load."""
    titles = "speech|sessions|final p50|p95|p99|first p95|nothing new p95|shed|batch|client cores|word errors"
    rows = Table(*titles.split("|"), box=None)
    for name, search in found.items():
        for case in search["cases"]:
            mark = " <- knee" if case["sessions"] == search["knee"] else ""
            work = case["engine"]
            rows.add_row(
                name,
                f"{case['sessions']}{mark}",
                *(_cell(case["final_ms"][name]) for name in ("p50", "p95", "p99")),
                _cell(case["first_partial_ms"]["p95"]),
                _cell(case["nothing_new_for_ms"]["p95"]),
                f"{work['partials_shed']} of {work['partials']}",
                str(work["mean_batch"]),
                f"{case['cores_busy']['client']:.2f}",
                f"{case['wer']['wer']:.1%}",
            )
    return rows


def told(case: Mapping[str, Any]) -> str:
    judgement = "in time" if case["served"] else "too late"
    final, unchanged = case["final_ms"]["p95"], case["nothing_new_for_ms"]["p95"]
    return f"{case['sessions']} sessions: {judgement}; finals p95 {_cell(final)}, nothing new p95 {_cell(unchanged)}"


def _cell(value_ms: float | None) -> str:
    return "-" if value_ms is None else f"{value_ms:.0f} ms"


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's."""
    return value.item() if isinstance(value, np.generic) else value


if __name__ == "__main__":
    main()

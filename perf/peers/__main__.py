"""How many live sessions do others carry on the same cores, by the same rule and on the same speech?"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from perf.knee import keeps_up, knee, next_load, served
from perf.peers import REFERENCE, moonshine, whisper
from perf.peers.stream import PeerStream, Run, run
from perf.shown import by_segment, final_waits_ms, first_text_waits_ms, flicker, silences_ms, texts_by_session
from perf.speech import CONTINUOUS, Corpus, Voice
from perf.wer import scored
from pipeline.client.machine import machine
from pipeline.domain.scoring import percentiles, word_errors
from pipeline.errors import SetupError

RESULTS: Final = Path(__file__).parents[1] / "results" / "peers.json"
SECONDS: Final = 20.0
MOST: Final = 24


@dataclass(frozen=True, slots=True)
class Peer:
    """How to open its streams, with how many sessions to begin, and how many runs to make at most."""

    name: str
    opener: Callable[[], Callable[[], PeerStream]]
    first: int
    runs: int


def peers(cores: int) -> tuple[Peer, ...]:
    """The library's default is an update each half second; every 1.5 s is what the rule at least asks for."""
    return (
        Peer(REFERENCE, lambda: moonshine.opener(0.5), cores, 3),
        Peer("moonshine-voice, an update each 1.5 s", lambda: moonshine.opener(1.5), 2 * cores, 4),
        Peer("faster-whisper tiny int8, each second", lambda: whisper.opener(cores), 1, 1),
    )


@click.command()
@click.argument("folder", envvar="VOXFLOW_SPEECH", default="../shared/speech/dev", type=click.Path(path_type=Path))
@click.option(
    "--seconds", type=click.FloatRange(5), default=SECONDS, show_default=True, help="How long each run lasts."
)
def main(folder: Path, seconds: float) -> None:
    """Measure each peer with one session, and how many it carries; writes perf/results/peers.json.

    \b
    Example:
      python -m perf.peers        about four minutes
    """
    corpus = Corpus.found_in(folder)
    cores = len(os.sched_getaffinity(0))
    voices = [corpus.voice(number, seconds, CONTINUOUS) for number in range(MOST)]
    found = {peer.name: result(peer, corpus, voices, cores) for peer in peers(cores)}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"machine": machine(), "speech": corpus.name, "peers": found}, indent=2) + "\n")
    click.echo(f"written to {RESULTS}")


def result(peer: Peer, corpus: Corpus, voices: Sequence[Voice], cores: int) -> dict[str, Any]:
    """One session first, which tells what it costs; then more, until the peer does not keep up.

    Its finals may be late: by its own design they wait for its next update.
    """
    try:
        open_stream = peer.opener()
    except SetupError as error:
        click.echo(f"{peer.name}: skipped, {error}")
        return {"skipped": str(error)}
    cases = {1: measured(peer, open_stream, corpus, voices[:1])}
    while len(cases) < peer.runs + 1:
        tried = {count: case["keeps_up"] for count, case in cases.items() if count > 1 or not case["keeps_up"]}
        count = next_load(tried, peer.first, MOST)
        if count is None or count in cases:
            break
        cases[count] = measured(peer, open_stream, corpus, voices[:count])
    held = knee({count: case["keeps_up"] for count, case in cases.items()})
    in_time = knee({count: case["served"] for count, case in cases.items()})
    return {
        "audio_s_per_core_s": cases[1]["audio_s_per_core_s"],
        "knee": held,
        "sessions_per_core": round(held / cores, 2),
        "sessions_per_core_with_finals_in_time": round(in_time / cores, 2),
        "cases": [cases[count] for count in sorted(cases)],
    }


def measured(
    peer: Peer, open_stream: Callable[[], PeerStream], corpus: Corpus, voices: Sequence[Voice]
) -> dict[str, Any]:
    """One run of so many voices."""
    case = figures(run(open_stream, voices), corpus, voices)
    judgement = "in time" if case["served"] else "finals late" if case["keeps_up"] else "too late"
    final, unchanged = case["final_ms"]["p95"], case["nothing_new_for_ms"]["p95"]
    click.echo(f"{peer.name}: {len(voices)} sessions, {judgement}; finals p95 {final}, nothing new p95 {unchanged} ms")
    return case


def figures(ran: Run, corpus: Corpus, voices: Sequence[Voice]) -> dict[str, Any]:
    """As in perf/density.py, but for the whole of the run; chunks must also be taken in time."""
    segments = by_segment(ran.shown)
    finals_ms, unchanged_ms = percentiles(final_waits_ms(segments)), percentiles(silences_ms(segments))
    late_ms = percentiles(ran.late_ms)
    texts = texts_by_session(segments)
    errors = [word_errors(corpus.reference(voice), texts.get(f"voice-{voice.number}", "")) for voice in voices]
    follows = keeps_up(late_ms["p95"], unchanged_ms["p95"])
    return {
        "sessions": len(voices),
        "keeps_up": follows,
        "served": follows and served(finals_ms["p95"], unchanged_ms["p95"]),
        "finals": len(final_waits_ms(segments)),
        "final_ms": finals_ms,
        "first_partial_ms": percentiles(first_text_waits_ms(segments)),
        "nothing_new_for_ms": unchanged_ms,
        "chunk_taken_late_ms": late_ms,
        "flicker": flicker(segments),
        "audio_s_per_core_s": round(ran.audio_s / ran.cpu_s, 2),
        "wer": scored(errors),
    }


if __name__ == "__main__":
    main()

"""What does a listener pay for finals that are written exactly once?

The very same finals are read twice: by a listener who waits for their transaction to be committed, as all of Voxflow's
do, and by one who reads what is not committed yet. The difference is the price, free of any other run's circumstances.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from perf.job import ARGUMENTS
from perf.live import play
from perf.speech import CONTINUOUS, Corpus, Voice
from perf.uncommitted import listening
from pipeline.adapters.kafka.reader import TranscriptId, transcript_id
from pipeline.cli.borrowed import borrowed_job, borrowed_stack
from pipeline.client.latency import Arrival, final_wait_ms
from pipeline.client.machine import machine
from pipeline.config import KafkaSettings
from pipeline.domain.scoring import percentiles
from pipeline.errors import SetupError, StackError, VoxflowError
from pipeline.flink.settings import Guarantee
from pipeline.local.stack import Stack

RESULTS: Final = Path(__file__).parent / "results" / "exactly_once.json"
CHUNK_MS: Final = 100


@click.command()
@click.argument("folder", envvar="VOXFLOW_SPEECH", default="../shared/speech/dev", type=click.Path(path_type=Path))
@click.option("--sessions", type=click.IntRange(1), default=4, show_default=True, help="Live at once.")
@click.option("--seconds", type=click.FloatRange(10), default=45.0, show_default=True, help="How long they speak.")
@click.option("--interval-ms", type=click.IntRange(100), default=2_000, show_default=True, help="Between checkpoints.")
def main(folder: Path, sessions: int, seconds: float, interval_ms: int) -> None:
    """Play live sessions through a job with --finals exactly-once; writes perf/results/exactly_once.json.

    \b
    Examples:
      python -m perf.exactly_once                      about a minute and a half; no job may run
      python -m perf.exactly_once --interval-ms 500
    """
    corpus = Corpus.found_in(folder)
    voices = [corpus.voice(number, seconds, CONTINUOUS) for number in range(sessions)]
    try:
        with borrowed_stack(click.echo) as stack:
            refuse_running_jobs(stack)
            with borrowed_job(click.echo, arguments=job_arguments(interval_ms)) as kafka:
                found = measured(kafka, voices)
    except VoxflowError as error:
        raise click.ClickException(str(error)) from error
    RESULTS.parent.mkdir(exist_ok=True)
    record = {"machine": machine(), "speech": corpus.name, "checkpoint_interval_ms": interval_ms, **found}
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")
    click.echo(json.dumps(found, indent=2))
    click.echo(f"written to {RESULTS}")


def refuse_running_jobs(stack: Stack) -> None:
    """Raises StackError where a job runs: it would be measured in place of one that writes exactly once."""
    if any(not job.is_over for job in stack.rest.jobs()):
        raise StackError("a job runs already; end it with: voxflow deploy --stop")


def job_arguments(interval_ms: int) -> tuple[str, ...]:
    return (*ARGUMENTS, "--finals", Guarantee.EXACTLY_ONCE.value, "--checkpoint-interval-ms", str(interval_ms))


def measured(kafka: KafkaSettings, voices: Sequence[Voice]) -> dict[str, Any]:
    """What the finals of one run waited for, in milliseconds."""
    with listening(kafka) as uncommitted:
        played = play(kafka, voices, CHUNK_MS)
    finals = [arrival for arrival in played.arrivals if arrival.transcript.is_final]
    return {"sessions": len(voices), **figures(finals, uncommitted, played.starts_ms)}


def figures(
    finals: Sequence[Arrival], uncommitted: Mapping[TranscriptId, int], starts_ms: Mapping[str, int]
) -> dict[str, Any]:
    """Percentiles in milliseconds: from the end of speech to a final's arrival for either listener, and the price."""
    paid_ms = prices_ms(finals, uncommitted)
    waits_ms = [final_wait_ms(one, starts_ms[one.transcript.session_id]) for one in finals]
    return {
        "finals": len(finals),
        "committed_final_ms": percentiles(waits_ms),
        "uncommitted_final_ms": percentiles([wait - paid for wait, paid in zip(waits_ms, paid_ms, strict=True)]),
        "price_ms": percentiles(paid_ms) | {"most": max(paid_ms, default=None)},
    }


def prices_ms(finals: Sequence[Arrival], uncommitted: Mapping[TranscriptId, int]) -> list[int]:
    """How much later each final came than to the listener who does not wait, in whose clock ``uncommitted`` is.

    Raises SetupError for a final that this one never got.
    """
    ids = [transcript_id(one.transcript) for one in finals]
    if missing := [identity for identity in ids if identity not in uncommitted]:
        raise SetupError(
            f"{len(missing)} of {len(ids)} finals never came uncommitted, {missing[0]} first: run it again"
        )
    return [one.at_ms - uncommitted[identity] for one, identity in zip(finals, ids, strict=True)]


if __name__ == "__main__":
    main()

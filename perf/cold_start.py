"""How soon is the first text there after the job has begun to run, and how soon is an engine ready?

The TaskManagers are fresh, so nothing in them has met a record, loaded a model or compiled a line before.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import click

from perf.job import ARGUMENTS
from pipeline.adapters.audio_files import ChunkPlan
from pipeline.adapters.kafka import ensure_topics
from pipeline.cli.borrowed import borrowed_stack
from pipeline.cli.deploy import SCRIPT
from pipeline.client.exchange import kafka_transcriber
from pipeline.client.latency import Arrival, final_wait_ms, waits
from pipeline.client.machine import machine
from pipeline.client.pacing import Pace, Start
from pipeline.client.recordings import BECKETT, recording
from pipeline.client.sessions import Playback, arriving, file_sessions, now
from pipeline.config import KafkaSettings
from pipeline.errors import StackError, VoxflowError
from pipeline.local.jobs import Jobs
from pipeline.local.stack import Stack

RESULTS: Final = Path(__file__).parent / "results" / "cold_start.json"
CHUNK_MS: Final = 20
PATIENCE_S: Final = 60.0


@click.command()
def main() -> None:
    """Time an engine in a fresh process and the job's first text; writes perf/results/cold_start.json.

    \b
    Example:
      python -m perf.cold_start        about a minute and a half; no job may run
    """
    fresh = json.loads(subprocess.check_output([sys.executable, "-m", "perf.first_words"], text=True))
    try:
        with borrowed_stack(click.echo) as stack:
            found = first_texts(stack)
    except VoxflowError as error:
        raise click.ClickException(str(error)) from error
    record = {"machine": machine(), "engine_in_a_fresh_process": fresh, "job": found}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")
    click.echo(json.dumps(record, indent=2))
    click.echo(f"written to {RESULTS}")


def first_texts(stack: Stack) -> dict[str, Any]:
    """Of the first session that a fresh job hears, from the moment in which all its tasks run. Raises StackError."""
    if any(not job.is_over for job in stack.rest.jobs()):
        raise StackError("a job runs already, so nothing is cold; end it with: voxflow deploy --stop")
    kafka = KafkaSettings.from_environ(os.environ)
    ensure_topics(kafka)
    stack.restart_task_managers(click.echo)
    jobs, began_s = Jobs(stack.settings), time.monotonic()
    job_id = jobs.submit(SCRIPT, ["--bootstrap-servers", kafka.bootstrap_servers, *ARGUMENTS])
    submitted_s = time.monotonic()
    jobs.await_running(job_id)
    running_s = time.monotonic()
    arrivals, start = played(kafka)
    return {
        "submitted_after_s": round(submitted_s - began_s, 1),
        "running_after_s": round(running_s - began_s, 1),
        **first_figures(arrivals, start.at_ms),
    }


def played(kafka: KafkaSettings) -> tuple[list[Arrival], Start]:
    """Ten seconds of speech in real time, and when they began."""
    files = Playback(file_sessions([recording(BECKETT)]), ChunkPlan(chunk_ms=CHUNK_MS), Pace.REALTIME)
    with kafka_transcriber(kafka, files.session_ids, PATIENCE_S) as transcriber:
        start = now()
        with closing(arriving(transcriber(files.chunks(start)))) as live:
            return list(live), start


def first_figures(arrivals: Sequence[Arrival], start_at_ms: int) -> dict[str, Any]:
    """Milliseconds: the first request in queue and engine, the first final in the engine, and a listener's waits."""
    texts = [one for one in arrivals if one.transcript.times.requested_at_ms and one.transcript.times.recognised_at_ms]
    times = min((one.transcript.times for one in texts), key=lambda one: one.requested_at_ms)
    waited = waits(arrivals, {one.transcript.session_id: start_at_ms for one in arrivals})
    first_final = next(one for one in arrivals if one.transcript.is_final)
    of_final = first_final.transcript.times
    return {
        "first_recognition_ms": times.recognised_at_ms - times.requested_at_ms,
        "first_final_engine_ms": of_final.recognised_at_ms - of_final.started_at_ms,
        "first_partial_ms": waited.first_partial_ms[0] if waited.first_partial_ms else None,
        "first_final_ms": final_wait_ms(first_final, start_at_ms),
    }


if __name__ == "__main__":
    main()

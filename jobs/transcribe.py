"""The transcription job: audio chunks from Kafka in, partial and final transcripts back out.

Its source is unbounded: sessions come and go for as long as it runs. It needs a Flink 2.2 cluster whose TaskManagers
have this package installed in their Python, the Kafka SQL connector's jar, and a file system for checkpoints (the
JobManager's own memory refuses state past 5 MB). Deploy it with

    flink run -d -py jobs/transcribe.py --bootstrap-servers localhost:9092
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace

from pipeline.config import KafkaSettings
from pipeline.domain.endpointing import FRAME_MS, EndpointingSettings
from pipeline.engines.base import EngineSettings
from pipeline.flink.graph import build
from pipeline.flink.settings import Guarantee, JobSettings


def parse(argv: Sequence[str]) -> JobSettings:
    """The settings from the command line, over those from the environment of ``flink run``."""
    defaults = JobSettings()
    kafka = KafkaSettings.from_environ(os.environ)
    args = parser(defaults, kafka).parse_args(argv)
    session = replace(
        defaults.session,
        idle_ms=args.idle_ms,
        linger_ms=args.linger_ms,
        track=replace(defaults.session.track, endpointing=args.silence_ms),
    )
    return replace(
        defaults,
        name=args.name,
        group_id=args.group_id,
        parallelism=args.parallelism,
        execution_mode=args.execution_mode,
        checkpoint_interval_ms=args.checkpoint_interval_ms,
        transcript_linger_ms=2 * args.linger_ms,
        finals=args.finals,
        session=session,
        kafka=KafkaSettings(args.bootstrap_servers, kafka.topics.prefixed(args.topic_prefix)),
        engine=EngineSettings.from_environ(os.environ),
    )


def parser(defaults: JobSettings, kafka: KafkaSettings) -> argparse.ArgumentParser:
    """What the command line may say."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_deployment(made, defaults, kafka)
    add_sessions(made, defaults)
    return made


def add_deployment(parser: argparse.ArgumentParser, defaults: JobSettings, kafka: KafkaSettings) -> None:
    """Where the job runs, on what, and how it writes."""
    parser.add_argument("--bootstrap-servers", default=kafka.bootstrap_servers, help="Kafka (default: %(default)s)")
    parser.add_argument("--topic-prefix", default="", help="put before the names of all topics (default: none)")
    parser.add_argument("--group-id", default=defaults.group_id, help="consumer group (default: %(default)s)")
    parser.add_argument("--name", default=defaults.name, help="the job's name (default: %(default)s)")
    parser.add_argument("--parallelism", type=int, default=0, help="subtasks of each operator (default: the cluster's)")
    parser.add_argument(
        "--execution-mode",
        choices=("thread", "process"),
        default=defaults.execution_mode,
        help="thread: Python inside the TaskManager, several times faster; process: beside it, where thread mode has "
        "no wheels (default on this machine: %(default)s)",
    )
    parser.add_argument(
        "--checkpoint-interval-ms", type=int, default=defaults.checkpoint_interval_ms, help="default: %(default)s"
    )
    parser.add_argument(
        "--finals",
        type=Guarantee,
        choices=tuple(Guarantee),
        default=defaults.finals,
        help="how often a restarted job writes a final: exactly-once in Kafka's transactions, read by consumers with "
        "isolation.level=read_committed once the next checkpoint is complete (default: %(default)s)",
    )


def add_sessions(parser: argparse.ArgumentParser, defaults: JobSettings) -> None:
    """How sessions are heard and when they end."""
    parser.add_argument(
        "--idle-ms",
        type=int,
        default=defaults.session.idle_ms,
        help="a session without a chunk for so long ends (default: %(default)s)",
    )
    parser.add_argument(
        "--linger-ms",
        type=int,
        default=defaults.session.linger_ms,
        help="an ended session is remembered for so long, against chunks that come late or again, and its transcripts "
        "for twice as long (default: %(default)s)",
    )
    parser.add_argument(
        "--silence-ms",
        type=silence,
        default=defaults.session.track.endpointing,
        metavar="MS",
        help=f"a segment ends after so much silence, in steps of {FRAME_MS} ms: less is quicker, more keeps sentences "
        "whole (default: 256, but 320 after less than 1.5 s of speech)",
    )


def silence(value: str) -> EndpointingSettings:
    """What ends a segment after so many milliseconds. Raises ArgumentTypeError."""
    try:
        return EndpointingSettings.ending_after(int(value))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def main(argv: Sequence[str]) -> None:
    settings = parse(argv)
    build(settings).execute(settings.name)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Bad records among good ones, and the dead letters that must come of them: each once or more, whole, and no other."""

from collections.abc import Collection, Sequence

from pipeline.adapters.kafka.scan import Span, Spans, kept, stored_records
from pipeline.client.pacing import Pace
from pipeline.client.sessions import now
from pipeline.codecs.avro import decode_dead_letter
from pipeline.config import KafkaSettings
from pipeline.local.process import wait_until
from tests.chaos.cluster import PLAIN
from tests.chaos.listening import spoken
from tests.chaos.poison import (
    BadRecords,
    Letter,
    PoisoningPublisher,
    bad_records,
    letters_of,
    misplaced,
    spoiled,
    usable,
)
from tests.chaos.speech import Stream, live_sessions
from tests.chaos.stage import Outcome, Stage, outcome
from tests.chaos.undisturbed import undisturbed

LETTERS_PATIENCE_S = 20.0
"""The last bad records come after the ends of the sessions, so their letters may, too."""


def poisoned(stage: Stage) -> Outcome:
    """The trial: all kinds of bad records around, within and under the wrong keys beside every session."""
    voices = [spoiled(voice.stream) for voice in stage.voices]
    expected = undisturbed(voices)
    stage.cluster.deploy(PLAIN)
    kafka, start = stage.cluster.kafka, now()
    streams = live_sessions(voices, "poisoned", start.at_ms)
    bad = {stream[0].session_id: bad_of(stream, other) for stream, other in _with_neighbours(streams)}
    before = kept(kafka, kafka.topics.dead_letters)
    heard = spoken(kafka, streams, start, Pace.REALTIME, publisher=PoisoningPublisher(kafka, bad))
    found = outcome(heard, [usable(stream) for stream in streams], expected, heard.silence_s)
    wanted = set().union(*(letters_of(stream, bad[stream[0].session_id]) for stream in streams))
    came = letters_since(kafka, before, wanted)
    note = f"{len(wanted & came)} of {len(wanted)} bad records are dead letters"
    return found.but(note=note, problem=complaint(wanted, came))


def bad_of(stream: Stream, other: Stream) -> tuple[BadRecords, ...]:
    """A session's own bad records, and copies of its chunks under no key and the other session's."""
    return bad_records(stream), misplaced(stream, other[0].session_id.encode())


def letters_since(kafka: KafkaSettings, before: Spans, wanted: Collection[Letter]) -> set[Letter]:
    """The dead letters that came after ``before``, once those wanted are among them or the patience is at its end."""
    found: set[Letter] = set()

    def all_came() -> bool:
        found.update(_letters(kafka, before))
        return found >= set(wanted)

    wait_until(all_came, LETTERS_PATIENCE_S)
    return found


def complaint(wanted: set[Letter], came: set[Letter]) -> str | None:
    """What is wrong with the dead letters that came."""
    if wanted - came:
        return f"no dead letter for {_listed(wanted - came)}"
    return f"dead letters that nobody expected: {_listed(came - wanted)}" if came - wanted else None


def _letters(kafka: KafkaSettings, before: Spans) -> set[Letter]:
    topic = kafka.topics.dead_letters
    new = {number: Span(before[number].end, span.end) for number, span in kept(kafka, topic).items()}
    letters = (decode_dead_letter(record.value) for record in stored_records(kafka, topic, new))
    return {(letter.raw, letter.error) for letter in letters}


def _with_neighbours(streams: Sequence[Stream]) -> list[tuple[Stream, Stream]]:
    return [(stream, streams[number - 1]) for number, stream in enumerate(streams)]


def _listed(letters: set[Letter]) -> str:
    return ", ".join(sorted(f"{error} of {len(raw)} bytes" for raw, error in letters))

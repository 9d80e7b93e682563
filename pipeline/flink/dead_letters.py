"""A rejected record as it goes to the dead-letter topic."""

from pyflink.common import Row

from pipeline.codecs.avro import encode_dead_letter
from pipeline.domain.types import DeadLetter, SourcePosition
from pipeline.errors import RejectedRecord


def dead_letter(raw: bytes, source: SourcePosition, error: RejectedRecord, session_id: str | None, now_ms: int) -> Row:
    """The Kafka record, keyed by the session where it is known."""
    letter = DeadLetter(raw, source, type(error).__name__, str(error), session_id, now_ms)
    return Row((session_id or "").encode(), encode_dead_letter(letter))

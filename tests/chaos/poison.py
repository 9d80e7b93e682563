"""Records that are no good, in every place of a session: before its first chunk, within it and after its end."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from confluent_kafka import KafkaError, Message, Producer

from pipeline.adapters.kafka.client import MAX_RECORD_BYTES, client_config, kafka_error
from pipeline.adapters.kafka.publisher import LINGER_MS
from pipeline.codecs.avro import encode_chunk
from pipeline.codecs.validate import MAX_CHUNK_BYTES
from pipeline.config import KafkaSettings
from pipeline.domain.types import AudioChunk, Codec
from pipeline.errors import BrokerUnreachable
from tests.chaos.speech import Stream
from tests.e2e.test_dead_letters import unknown_codec

NO_PACKET: Final = b"\xff" * 40
"""No packet of Opus or FLAC, and too short for a chunk of the others."""

EARLIER_CHUNKS: Final = 20
"""So far back lies a chunk that is sent again in the wrong place: long enough that its first copy was heard."""

PATIENCE_S: Final = 60.0

Letter = tuple[bytes, str]
"""A rejected record's bytes and its error's name."""


@dataclass(frozen=True, slots=True)
class Bad:
    """A record for the audio topic, and the error of its dead letter; None where it must vanish without one."""

    key: bytes | None
    value: bytes | None
    error: str | None

    @property
    def letter(self) -> Letter | None:
        return None if self.error is None else (self.value or b"", self.error)


BadRecords = Mapping[int, tuple[Bad, ...]]
"""Sequence number to the records that come before its chunk; the number after the last one: after the session."""


def spoiled(stream: Stream) -> Stream:
    """The session with one chunk in its middle that nobody can decode."""
    middle = len(stream) // 2
    return (*stream[:middle], replace(stream[middle], packets=(NO_PACKET,)), *stream[middle + 1 :])


def usable(stream: Stream) -> Stream:
    """What can be heard of a spoiled session."""
    return tuple(chunk for chunk in stream if chunk.packets != (NO_PACKET,))


def bad_records(stream: Stream) -> BadRecords:
    """All kinds, before the session, in two places within it and after it."""
    key, quarter = stream[0].session_id.encode(), len(stream) // 4
    places = (0, quarter, 3 * quarter, len(stream))
    broken = {place: tuple(_broken(stream[min(place, len(stream) - 1)], key, place)) for place in places}
    late = Bad(key, encode_chunk(replace(stream[-1], seq=len(stream))), "OutOfSequence")
    backwards = replace(stream[3], captured_at_ms=stream[-1].captured_at_ms + 60_000)
    broken[quarter] += (Bad(key, encode_chunk(backwards), "OutOfSequence"),)
    broken[len(stream)] += (late,)
    return broken


def misplaced(stream: Stream, other_key: bytes) -> BadRecords:
    """Good chunks that came before, once more without a key and under another session's: heard already, so nothing.

    Only records of one key keep their order, so this is harmless only while the job keeps up.
    """
    half = len(stream) // 2
    again = encode_chunk(stream[half - EARLIER_CHUNKS])
    return {half: (Bad(None, again, None), Bad(other_key, again, None))}


def letters_of(stream: Stream, bad: Iterable[BadRecords]) -> set[Letter]:
    """The dead letters that must come of a spoiled session among its bad records."""
    records = chain.from_iterable(chain.from_iterable(one.values()) for one in bad)
    (undecodable,) = (chunk for chunk in stream if chunk.packets == (NO_PACKET,))
    error = "UndecodablePacket" if undecodable.codec in (Codec.OPUS, Codec.FLAC) else "InvalidChunk"
    return {bad.letter for bad in records if bad.letter is not None} | {(encode_chunk(undecodable), error)}


def _broken(chunk: AudioChunk, key: bytes, place: int) -> list[Bad]:
    """Records that cannot be read or used whatever their session; ``place`` makes each unlike those elsewhere."""
    good = encode_chunk(chunk)
    mark = f" at {place}".encode() + b" of " + key
    return [
        Bad(key, b"no Avro at all" + mark, "UndecodableRecord"),
        Bad(None, b"no Avro and no key" + mark, "UndecodableRecord"),
        Bad(key, good[:2] + bytes(8) + good[10:], "UndecodableRecord"),
        Bad(key, good[: len(good) // 2], "UndecodableRecord"),
        Bad(key, b"", "UndecodableRecord"),
        Bad(key, None, "UndecodableRecord"),
        Bad(key, unknown_codec(chunk), "UnknownCodec"),
        Bad(key, encode_chunk(replace(chunk, sample_rate_hz=12_345)), "InvalidChunk"),
        Bad(key, encode_chunk(replace(chunk, packets=(bytes(MAX_CHUNK_BYTES + 1),))), "InvalidChunk"),
    ]


class PoisoningPublisher:
    """Publishes chunks, and the bad records of their sessions among them, in one order."""

    def __init__(self, settings: KafkaSettings, bad: Mapping[str, tuple[BadRecords, ...]]) -> None:
        self._settings = settings
        self._bad = bad
        self._failure: KafkaError | None = None
        self._producer = Producer(
            client_config(
                settings, enable_idempotence=True, acks="all", linger_ms=LINGER_MS, message_max_bytes=MAX_RECORD_BYTES
            )
        )

    def publish(self, chunk: AudioChunk) -> None:
        """Queues one chunk after the bad records that come before it."""
        self._send_bad(chunk.session_id, chunk.seq)
        self._send(Bad(chunk.session_id.encode(), encode_chunk(chunk), None))
        if chunk.end_of_stream:
            self._send_bad(chunk.session_id, chunk.seq + 1)

    def flush(self) -> None:
        """Returns when every record is stored. Raises BrokerUnreachable and SetupError."""
        waiting = self._producer.flush(PATIENCE_S)
        if self._failure is not None:
            raise kafka_error(self._failure, self._settings, "chunks and bad records were published")
        if waiting:
            raise BrokerUnreachable(f"Kafka did not store {waiting} records within {PATIENCE_S:.0f} s: see its log")

    def _send_bad(self, session_id: str, seq: int) -> None:
        for records in self._bad.get(session_id, ()):
            for bad in records.get(seq, ()):
                self._send(bad)

    def _send(self, record: Bad) -> None:
        self._producer.produce(self._settings.topics.audio, record.value, record.key, on_delivery=self._delivered)
        self._producer.poll(0)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        self._failure = self._failure or error

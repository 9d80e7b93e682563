"""The live cache: the newest text of every session in Redis, and each new text on a channel of its session.

The rules are in accept.lua, which the server runs for one transcript at a time. A batch is one transaction, so readers
and a flush see all of it or nothing. Keys hold a session id as it is, always last, so that no id reads as another key:

    voxflow:session:ID    hash: session_id, tenant, state (live or ended), started_at_ms, updated_at_ms, ended_at_ms,
                          duration_ms, and for the rules: spoken_at_ms, settled:CHANNEL (newest segment with a final)
    voxflow:finals:ID     hash: CHANNEL:SEGMENT to the final text as JSON
    voxflow:order:ID      sorted set of the finals' CHANNEL:SEGMENT by their start_ms
    voxflow:partials:ID   hash: CHANNEL to the text that is still being said, as JSON
    voxflow:live          sorted set of the ids of live sessions by updated_at_ms
    voxflow:live:TENANT   the same of one tenant
    voxflow:delivered     hash: TOPIC/PARTITION to the next offset; where it is missing, Redis was emptied
    voxflow:events:ID     pub/sub channel: every transcript that was news, as JSON
"""

import json
import logging
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Final

from redis.exceptions import RedisError, ResponseError

from pipeline.adapters.redis import Argument, Reply, Script, ScriptCall, answering, connect, run_atomically, unavailable
from pipeline.codecs.avro import decode_transcript
from pipeline.config import DeliverySettings, RedisSettings
from pipeline.delivery.view import Delivery, Refused
from pipeline.domain.types import Transcript, TranscriptKind, Word
from pipeline.errors import ViewEmptied

log = logging.getLogger(__name__)

ACCEPT: Final = Script(files("pipeline.delivery").joinpath("accept.lua").read_text())
ADVANCE: Final = Script(files("pipeline.delivery").joinpath("advance.lua").read_text())

DELIVERED: Final = "voxflow:delivered"
LIVE: Final = "voxflow:live"
WRONG_TYPE: Final = "WRONGTYPE"
"""Redis's own word for a key that holds something else than it should: no second attempt will mend that."""

Partition = tuple[str, int]
"""Topic and number."""


def session_keys(session_id: str) -> tuple[str, str, str, str]:
    """Where a session, its finals, their order and its partials are."""
    return (
        f"voxflow:session:{session_id}",
        f"voxflow:finals:{session_id}",
        f"voxflow:order:{session_id}",
        f"voxflow:partials:{session_id}",
    )


def live_key(tenant: str | None = None) -> str:
    """The sorted set of live sessions, of one tenant or of all."""
    return LIVE if tenant is None else f"{LIVE}:{tenant}"


def events_channel(session_id: str) -> str:
    """The pub/sub channel of a session."""
    return f"voxflow:events:{session_id}"


def partition_field(partition: Partition) -> str:
    return f"{partition[0]}/{partition[1]}"


class CacheView:
    """The ``View`` in Redis. One thread writes it; several processes may, each its own partitions or even the same.

    ``lasting_topic`` is the topic that the cache is written from again after Redis was emptied: that of the finals.
    Partials are not worth it, since newer ones soon follow.
    """

    name = "redis"
    decode = staticmethod(decode_transcript)

    def __init__(self, redis: RedisSettings, settings: DeliverySettings, lasting_topic: str) -> None:
        self._redis = redis
        self._settings = settings
        self._lasting_topic = lasting_topic
        self._client = connect(redis)
        self._written: set[Partition] = set()
        self._restarted: set[Partition] = set()

    def write(self, batch: Sequence[Delivery[Transcript]]) -> list[Refused[Transcript]]:
        """As ``View`` says. Raises ViewEmptied where Redis holds nothing of a partition that was written before."""
        advanced = self._advanced(batch)
        with answering(self._redis):
            *taken, lost = run_atomically(self._client, [*map(self._accept, batch), self._advance(advanced)])
        refused = self._refused(batch, taken)
        self._note_advance(frozenset(advanced), lost)
        return refused

    def close(self) -> None:
        self._client.close()

    def _accept(self, delivery: Delivery[Transcript]) -> ScriptCall:
        one, settings = delivery.record, self._settings
        keys = (*session_keys(one.session_id), live_key(), live_key(one.tenant))
        arguments: tuple[Argument, ...] = (
            *(one.kind.value, one.session_id, one.tenant, one.channel, one.segment, one.revision),
            *(_body(one), one.start_ms, one.end_ms, _started_at_ms(one), _spoken_at_ms(one), one.times.emitted_at_ms),
            *(settings.ended_ttl_s, settings.live_ttl_s, events_channel(one.session_id)),
        )
        return ScriptCall(ACCEPT, keys, arguments)

    def _advanced(self, batch: Sequence[Delivery[Transcript]]) -> dict[Partition, int]:
        """The partitions worth writing again, and the offsets after those of the batch."""
        sources = [delivery.source for delivery in batch if delivery.source.topic == self._lasting_topic]
        ordered = sorted(sources, key=lambda source: source.offset)
        return {(source.topic, source.partition): source.offset + 1 for source in ordered}

    def _advance(self, advanced: dict[Partition, int]) -> ScriptCall:
        """Also looks for the partitions written earlier: a quiet one tells nothing by itself of what was lost."""
        arguments: list[Argument] = []
        for partition in sorted(self._written | advanced.keys()):
            may_be_new = "1" if partition in self._restarted else ""
            arguments += (partition_field(partition), advanced.get(partition, ""), may_be_new)
        return ScriptCall(ADVANCE, (DELIVERED,), arguments)

    def _note_advance(self, advanced: frozenset[Partition], reply: Reply) -> None:
        """Remembers what Redis holds. Raises ViewEmptied for what it does not, but should."""
        if isinstance(reply, ResponseError):
            raise unavailable(reply, self._redis)
        fields = {field.decode() for field in reply}
        lost = frozenset(one for one in self._written | advanced if partition_field(one) in fields)
        self._written = (self._written | advanced) - lost
        self._restarted = (self._restarted - advanced) | (lost & advanced)
        if lost:
            raise ViewEmptied(f"Redis at {self._redis.address} holds nothing of {', '.join(sorted(fields))}", lost)

    def _refused(self, batch: Sequence[Delivery[Transcript]], replies: Sequence[Reply]) -> list[Refused[Transcript]]:
        """The transcripts that no second attempt could store. Raises ViewUnavailable where one may help."""
        failed = [(one, reply) for one, reply in zip(batch, replies, strict=True) if isinstance(reply, RedisError)]
        for _, error in failed:
            if WRONG_TYPE not in str(error):
                raise unavailable(error, self._redis)
        return [Refused(one, _foreign_key(one, error)) for one, error in failed]


def record(transcript: Transcript) -> dict[str, Any]:
    """The transcript as it is stored and published: what readers need of it, plain."""
    fields: dict[str, Any] = {
        "session_id": transcript.session_id,
        "tenant": transcript.tenant,
        "kind": transcript.kind.value,
        "channel": transcript.channel,
        "segment": transcript.segment,
        "revision": transcript.revision,
        "text": transcript.text,
        "stable_chars": transcript.stable_chars,
        "start_ms": transcript.start_ms,
        "end_ms": transcript.end_ms,
        "language": transcript.language,
        "degraded": transcript.degraded,
        "error": transcript.error,
        "emitted_at_ms": transcript.times.emitted_at_ms,
    }
    return fields | ({"words": [_word(word) for word in transcript.words]} if transcript.words else {})


def _word(word: Word) -> list[str | float | int | None]:
    return [word.text, word.start_ms, word.end_ms, word.confidence]


def _body(transcript: Transcript) -> str:
    return json.dumps(record(transcript), ensure_ascii=False, separators=(",", ":"))


def _started_at_ms(transcript: Transcript) -> int | str:
    """When the audio clock stood at 0, wall clock; empty where the transcript cannot tell."""
    captured_at_ms = transcript.times.captured_at_ms
    return captured_at_ms - transcript.end_ms if captured_at_ms > 0 else ""


def _spoken_at_ms(transcript: Transcript) -> int:
    """When the session's operator decided on this record: only its own clock tells what came before its end."""
    times = transcript.times
    if transcript.kind is TranscriptKind.SESSION_END:
        return times.closed_at_ms
    return max(times.requested_at_ms, times.closed_at_ms)


def _foreign_key(delivery: Delivery[Transcript], error: RedisError) -> str:
    keys = ", ".join(map(repr, session_keys(delivery.record.session_id)))
    return f"one of {keys} holds something that is not of Voxflow; delete it ({' '.join(str(error).split())})"

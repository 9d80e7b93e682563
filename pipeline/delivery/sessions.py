"""Sessions read back from the live cache: what was said so far, what is being said, and everything new as it comes."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, Final, cast

from redis.client import PubSub

from pipeline.adapters.redis import Client, answering, connect
from pipeline.config import RedisSettings
from pipeline.delivery.cache import events_channel, live_key, session_keys
from pipeline.delivery.reading import SessionState, SessionView, StoredSegment, in_order
from pipeline.domain.types import StageTimes, Transcript, TranscriptKind, Word

POLL_S: Final = 0.2

Fields = Mapping[bytes, bytes]


class SessionReader:
    """Reads the cache that ``CacheView`` writes. Every method raises ViewUnavailable if Redis does not answer."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._client: Client = connect(settings)

    def session(self, session_id: str) -> SessionView | None:
        """The session as it is at one moment; None if Redis does not hold it, or not any more."""
        session, finals, _, partials = session_keys(session_id)
        with answering(self._settings):
            pipeline = self._client.pipeline(transaction=True)
            for key in (session, finals, partials):
                pipeline.hgetall(key)
            fields, said, saying = pipeline.execute()
        return _session_view(fields, said, saying) if fields else None

    def live_sessions(self, tenant: str | None = None, limit: int = 100) -> list[str]:
        """The ids of live sessions, of one tenant or of all; those that said something last come first."""
        with answering(self._settings):
            found = cast(list[bytes], self._client.zrevrange(live_key(tenant), 0, limit - 1))
        return [session_id.decode() for session_id in found]

    def news(self, session_id: str) -> "News":
        """What is published of the session from now on: call this first and read the session then, to miss nothing."""
        return News(self._settings, self._client, session_id)

    def close(self) -> None:
        self._client.close()


class News:
    """Transcripts of one session as the cache takes them. Some may already be in a view that was read afterwards."""

    def __init__(self, settings: RedisSettings, client: Client, session_id: str) -> None:
        self._settings = settings
        self._pubsub: PubSub = client.pubsub()  # type: ignore[no-untyped-call]
        with answering(settings):
            self._pubsub.subscribe(events_channel(session_id))
            self._pubsub.get_message(timeout=5.0)  # the confirmation: from here on nothing is missed

    def __iter__(self) -> Iterator[Transcript]:
        """For ever; None of it comes twice."""
        with closing(self._pubsub):
            while True:
                yield from self.poll(POLL_S)

    def poll(self, wait_s: float) -> list[Transcript]:
        """The next transcript, if one comes within ``wait_s``."""
        with answering(self._settings):
            message = self._pubsub.get_message(timeout=wait_s)
        if message is None or message["type"] != "message":
            return []
        return [transcript_of(json.loads(message["data"]))]

    def close(self) -> None:
        self._pubsub.close()


def transcript_of(record: Mapping[str, Any]) -> Transcript:
    """The transcript in a record of the cache; what the cache does not keep is empty."""
    segment = _stored(record)
    return Transcript(
        session_id=segment.session_id,
        tenant=segment.tenant,
        kind=TranscriptKind(record["kind"]),
        channel=segment.channel,
        segment=segment.segment,
        revision=segment.revision,
        text=segment.text,
        stable_chars=segment.stable_chars,
        start_ms=segment.start_ms,
        end_ms=segment.end_ms,
        words=segment.words,
        language=segment.language,
        model="",
        model_version="",
        degraded=segment.degraded,
        gap_ms=0,
        source_partition=-1,
        source_first_offset=-1,
        source_last_offset=-1,
        times=StageTimes(emitted_at_ms=record["emitted_at_ms"]),
        error=segment.error,
    )


def _session_view(fields: Fields, said: Fields, saying: Fields) -> SessionView:
    state = SessionState(fields[b"state"].decode())
    partials = map(_segment, saying.values()) if state is SessionState.LIVE else ()
    return SessionView(
        session_id=fields[b"session_id"].decode(),
        tenant=fields[b"tenant"].decode(),
        state=state,
        started_at_ms=_whole(fields, b"started_at_ms"),
        updated_at_ms=_whole(fields, b"updated_at_ms"),
        ended_at_ms=_whole(fields, b"ended_at_ms") if state is SessionState.ENDED else None,
        duration_ms=_whole(fields, b"duration_ms") or 0,
        finals=in_order(map(_segment, said.values())),
        partials=in_order(partials),
    )


def _whole(fields: Fields, name: bytes) -> int | None:
    return int(fields[name]) if name in fields else None


def _segment(body: bytes) -> StoredSegment:
    return _stored(json.loads(body))


def _stored(record: Mapping[str, Any]) -> StoredSegment:
    return StoredSegment(
        session_id=record["session_id"],
        tenant=record["tenant"],
        channel=record["channel"],
        segment=record["segment"],
        start_ms=record["start_ms"],
        end_ms=record["end_ms"],
        text=record["text"],
        revision=record["revision"],
        stable_chars=record["stable_chars"],
        is_final=record["kind"] == TranscriptKind.FINAL,
        language=record["language"],
        degraded=record["degraded"],
        error=record["error"],
        words=tuple(Word(text, confidence, start, end) for text, start, end, confidence in record.get("words", ())),
    )

"""One session: chunks go in, what is to be done comes out as values.

The life of a session is ordering, decoding, one track a channel, and an end. Time is an argument everywhere, and
``snapshot`` with ``audio_journals`` is all that a crash may not take: a session restored from them goes on exactly as
one that was never disturbed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np

from pipeline.domain.ordering import Missing, Ordering, OrderingSettings, OrderingState
from pipeline.domain.plain import from_plain, to_plain
from pipeline.domain.ports import AudioDecoder, DecoderFactory, DetectorFactory, Plain
from pipeline.domain.retained_audio import AudioBlock, AudioJournal
from pipeline.domain.track import Closed, Track, TrackSettings, TrackSnapshot, Wanted
from pipeline.domain.types import (
    SAMPLES_PER_MS,
    AudioChunk,
    Codec,
    InferenceRequest,
    Pcm16,
    Received,
    SegmentClosed,
    SessionEnded,
    StageTimes,
)
from pipeline.errors import InvalidChunk, OutOfSequence, RejectedRecord

SNAPSHOT_VERSION = 1


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """Times on the wall clock: ``idle_ms`` without a chunk ends a session; ``gap_timeout_ms`` without one gives a
    missing chunk up even though too little came after it; ``linger_ms`` an ended session is remembered, so that chunks
    sent again do not start it anew. A gap past ``max_conceal_ms`` of audio ends the segment instead of being filled.
    """

    ordering: OrderingSettings = field(default_factory=OrderingSettings)
    track: TrackSettings = field(default_factory=TrackSettings)
    max_conceal_ms: int = 2_000
    gap_timeout_ms: int = 2_000
    idle_ms: int = 30_000
    linger_ms: int = 30_000


@dataclass(frozen=True, slots=True)
class Rejected:
    """A chunk that could not be used, and why."""

    received: Received
    error: RejectedRecord


Action = InferenceRequest | SegmentClosed | SessionEnded | Rejected


@dataclass
class Progress:
    """Who a session is and how far it has come: plain values, all in a snapshot.

    ``chunk_ms`` is the duration of the newest chunk, ``origin_at_ms`` the wall-clock time of the audio clock's zero as
    that chunk tells it, ``finished`` whether the producer itself ended the stream. ``heard_samples`` counts what was
    decoded, those of each channel.
    """

    session_id: str
    tenant: str
    language: str | None
    chunk_ms: int = 0
    origin_at_ms: int = 0
    gap_ms: int = 0
    heard_samples: int = 0
    segments: int = 0
    partition: int = -1
    first_offset: int = -1
    last_offset: int = -1
    ended_at_ms: int | None = None
    finished: bool = False


class SessionSnapshot(TypedDict):
    """Plain data only. Read ``version`` before anything else."""

    version: int
    progress: dict[str, Plain]
    ordering: tuple[int, int, list[tuple[int, int]], list[Plain]]
    format: tuple[str, int, int] | None
    decoder: dict[str, Plain] | None
    tracks: list[TrackSnapshot]


@dataclass(frozen=True, slots=True)
class Ports:
    """What a session needs from outside: decoders and speech detectors."""

    make_decoder: DecoderFactory
    make_detector: DetectorFactory


class Session:
    """The state and rules of one session. ``first`` is any chunk of it: it names the session and its tenant."""

    def __init__(self, settings: SessionSettings, ports: Ports, first: AudioChunk) -> None:
        self._settings = settings
        self._ports = ports
        self._at = Progress(first.session_id, first.tenant, first.language)
        self._ordering = Ordering(settings.ordering)
        self._format: tuple[str, int, int] | None = None
        self._decoder: AudioDecoder | None = None
        self._tracks: list[Track] = []
        self._last_heard_at_ms = 0

    @property
    def ended(self) -> bool:
        return self._at.ended_at_ms is not None

    @property
    def tenant(self) -> str:
        return self._at.tenant

    @property
    def heard_ms(self) -> int:
        """Audio that was decoded since the session began, that of each channel."""
        return self._at.heard_samples // SAMPLES_PER_MS

    @property
    def gap_ms(self) -> int:
        """Audio that never arrived, or could not be decoded, since the session began."""
        return self._at.gap_ms

    def deadline_ms(self) -> int:
        """When ``wake`` wants to be called, on the wall clock, if no chunk comes before."""
        if self._at.ended_at_ms is not None:
            return self._at.ended_at_ms + self._settings.linger_ms
        patience_ms = self._settings.gap_timeout_ms if self._ordering.holds_back else self._settings.idle_ms
        return self._last_heard_at_ms + patience_ms

    def forgettable(self, now_ms: int) -> bool:
        """Whether the session has ended and lingered long enough for its state to go."""
        return self.ended and now_ms >= self.deadline_ms()

    def receive(self, item: Received) -> list[Action]:
        """Take one chunk, in whatever order it comes. Audio after an end by silence opens the session again."""
        if self._at.finished and item.chunk.seq >= self._ordering.expected_seq:
            return [Rejected(item, _after_the_end(item.chunk))]
        try:
            released = self._ordering.offer(item)
        except OutOfSequence as error:
            return [Rejected(item, error)]
        self._last_heard_at_ms = item.at_ms
        if released or self._ordering.holds_back:
            self._at.ended_at_ms = None
        return self._take_all(released, item.at_ms)

    def wake(self, now_ms: int) -> list[Action]:
        """Act on the time that passed: give up what is missing, end what has gone quiet."""
        if self.ended or now_ms < self.deadline_ms():
            return []
        if self._ordering.holds_back:
            self._last_heard_at_ms = now_ms
            return self._take_all(self._ordering.give_up_missing(), now_ms)
        return self._end(now_ms)

    def postpone(self, now_ms: int) -> None:
        """Start all waiting anew: after a restore, silence says nothing about the producer."""
        self._last_heard_at_ms = now_ms

    def snapshot(self) -> SessionSnapshot:
        """All but the retained audio, which operators keep by ``audio_journals``."""
        order = self._ordering.snapshot()
        held = [to_plain(item) for item in order.held]
        return {
            "version": SNAPSHOT_VERSION,
            "progress": vars(self._at).copy(),
            "ordering": (order.expected_seq, order.newest_captured_at_ms, list(order.gaps), held),
            "format": self._format,
            "decoder": self._decoder.snapshot() if self._decoder else None,
            "tracks": [track.snapshot() for track in self._tracks],
        }

    def audio_journals(self) -> list[AudioJournal]:
        """What changed in each channel's retained audio since the last call."""
        return [track.audio_journal() for track in self._tracks]

    def audio_blocks(self) -> list[tuple[AudioBlock, ...]]:
        """Each channel's retained audio."""
        return [track.audio_blocks() for track in self._tracks]

    @classmethod
    def restored(
        cls, settings: SessionSettings, ports: Ports, saved: SessionSnapshot, audio: Mapping[int, list[AudioBlock]]
    ) -> "Session":
        """The session of a snapshot, with the retained blocks of each channel."""
        session = cls.__new__(cls)
        session._settings, session._ports, session._last_heard_at_ms = settings, ports, 0
        session._at = Progress(**saved["progress"])  # type: ignore[arg-type]
        expected, newest, gaps, held = saved["ordering"]
        order = OrderingState(expected, newest, tuple(gaps), tuple(from_plain(Received, item) for item in held))
        session._ordering = Ordering(settings.ordering, order)
        session._format = tuple(saved["format"]) if saved["format"] else None  # type: ignore[assignment]
        session._decoder = session._restored_decoder(saved["decoder"])
        session._tracks = [
            session._restored_track(track, audio.get(channel, [])) for channel, track in enumerate(saved["tracks"])
        ]
        return session

    def _restored_decoder(self, saved: dict[str, Plain] | None) -> AudioDecoder | None:
        if self._format is None or saved is None:
            return None
        codec, sample_rate_hz, channels = self._format
        return self._ports.make_decoder(Codec(codec), sample_rate_hz, channels, saved)

    def _restored_track(self, saved: TrackSnapshot, blocks: list[AudioBlock]) -> Track:
        track = Track(self._settings.track, self._ports.make_detector(saved["detector"]))
        track.restore(saved, tuple(blocks))
        return track

    def _take_all(self, released: list[Received | Missing], now_ms: int) -> list[Action]:
        actions: list[Action] = []
        for item in released:
            if isinstance(item, Missing):
                actions += self._lose(item.count * self._at.chunk_ms, now_ms)
            elif self._at.finished:
                actions.append(Rejected(item, _after_the_end(item.chunk)))
            else:
                actions += self._take(item, now_ms)
        if self._at.finished and self._ordering.holds_back:
            actions += self._take_all(self._ordering.give_up_missing(), now_ms)
        return actions

    def _take(self, item: Received, now_ms: int) -> list[Action]:
        self._note_source(item)
        actions: list[Action] = []
        try:
            audio = self._decoded(item.chunk)
        except RejectedRecord as error:
            actions = [Rejected(item, error), *self._lose(self._at.chunk_ms, now_ms)]
        else:
            actions = self._hear(audio, item, now_ms)
        if item.chunk.end_of_stream:
            self._at.finished = True
            actions += self._end(now_ms)
        return actions

    def _note_source(self, item: Received) -> None:
        at = self._at
        if at.first_offset < 0:
            at.first_offset = item.source.offset
        at.partition, at.last_offset = item.source.partition, item.source.offset

    def _decoded(self, chunk: AudioChunk) -> Pcm16:
        if not chunk.packets:
            return np.zeros((chunk.channels, 0), np.int16)
        wanted = (chunk.codec.value, chunk.sample_rate_hz, chunk.channels)
        if self._format is None:
            self._decoder = self._ports.make_decoder(chunk.codec, chunk.sample_rate_hz, chunk.channels)
            self._format = wanted
        if self._decoder is None or self._format != wanted:
            raise InvalidChunk(
                f"session {chunk.session_id!r} chunk {chunk.seq}: codec, rate and channels are {wanted}, the session "
                f"began with {self._format}; start a new session to change them"
            )
        return self._decoder.decode(chunk.packets)

    def _hear(self, audio: Pcm16, item: Received, now_ms: int) -> list[Action]:
        at = self._at
        if not audio.size:
            return []
        if not self._tracks:
            self._tracks = [self._new_track(item.chunk.seq) for _ in audio]
        at.heard_samples += audio.size
        at.chunk_ms = round(audio.shape[1] / SAMPLES_PER_MS)  # a resampler may keep a sample for the next chunk
        at.origin_at_ms = item.chunk.captured_at_ms - self._clock_ms()
        return self._on_each_track(lambda track, channel: track.hear(audio[channel], at.last_offset), now_ms)

    def _new_track(self, first_seq: int) -> Track:
        # A segment takes longer than a chunk, so numbers from the first sequence number seen can never repeat
        # those of an earlier life of the session; a stream seen from its start begins with segment 0.
        return Track(self._settings.track, self._ports.make_detector(), first_seq)

    def _lose(self, duration_ms: int, now_ms: int) -> list[Action]:
        """Put silence in the place of lost audio; a long gap ends the segment and is stepped over."""
        at = self._at
        if not self._tracks or duration_ms == 0:
            return []
        at.gap_ms += duration_ms
        if duration_ms > self._settings.max_conceal_ms:
            return self._on_each_track(lambda track, _: track.flush_and_skip(duration_ms * SAMPLES_PER_MS), now_ms)
        assert self._decoder is not None, "tracks exist only once something was decoded"
        silence = self._decoder.conceal(duration_ms)
        return self._on_each_track(lambda track, channel: track.hear_gap(silence[channel], at.last_offset), now_ms)

    def _clock_ms(self) -> int:
        """Where the next chunk begins on the audio clock."""
        return self._tracks[0].end_sample // SAMPLES_PER_MS if self._tracks else 0

    def _end(self, now_ms: int) -> list[Action]:
        actions = self._on_each_track(lambda track, _: track.flush(), now_ms)
        at = self._at
        at.ended_at_ms = now_ms
        ended = SessionEnded(
            session_id=at.session_id,
            tenant=at.tenant,
            segments=at.segments,
            duration_ms=self._clock_ms(),
            gap_ms=at.gap_ms,
            source_partition=at.partition,
            source_first_offset=at.first_offset,
            source_last_offset=at.last_offset,
            ended_at_ms=now_ms,
        )
        if at.finished:
            self._tracks, self._decoder = [], None
        return [*actions, ended]

    def _on_each_track(self, listen: Callable[[Track, int], list[Wanted | Closed]], now_ms: int) -> list[Action]:
        return [
            self._request(found, channel, now_ms) if isinstance(found, Wanted) else self._closed(found, channel, now_ms)
            for channel, track in enumerate(self._tracks)
            for found in listen(track, channel)
        ]

    def _request(self, wanted: Wanted, channel: int, now_ms: int) -> InferenceRequest:
        at = self._at
        end_ms = wanted.end_sample // SAMPLES_PER_MS
        return InferenceRequest(
            session_id=at.session_id,
            tenant=at.tenant,
            channel=channel,
            segment=wanted.segment,
            revision=wanted.revision,
            kind=wanted.kind,
            start_ms=wanted.start_sample // SAMPLES_PER_MS,
            end_ms=end_ms,
            audio=wanted.audio.tobytes(),
            language=at.language,
            times=StageTimes(captured_at_ms=at.origin_at_ms + end_ms, received_at_ms=now_ms, requested_at_ms=now_ms),
        )

    def _closed(self, closed: Closed, channel: int, now_ms: int) -> SegmentClosed:
        at = self._at
        at.segments += 1
        return SegmentClosed(
            session_id=at.session_id,
            tenant=at.tenant,
            channel=channel,
            segment=closed.segment,
            revision=closed.revision,
            start_ms=closed.start_sample // SAMPLES_PER_MS,
            end_ms=closed.end_sample // SAMPLES_PER_MS,
            gap_ms=closed.gap_ms,
            source_partition=at.partition,
            source_first_offset=closed.first_offset,
            source_last_offset=closed.last_offset,
            closed_at_ms=now_ms,
        )


def _after_the_end(chunk: AudioChunk) -> OutOfSequence:
    return OutOfSequence(
        f"session {chunk.session_id!r}: chunk {chunk.seq} came after the end of its stream; "
        "a producer that goes on needs a new session id"
    )

"""One session: chunks go in, what is to be done comes out as values.

The life of a session is ordering, decoding, one track a channel, and an end. Time is an argument everywhere, and
``snapshot`` with ``audio_journals`` is all that a crash may not take: a session restored from them goes on exactly as
one that was never disturbed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from pipeline.domain.actions import Action, Rejected, closed_of, ended_of, request_of
from pipeline.domain.cadence import Load
from pipeline.domain.ordering import Missing, Ordering, OrderingSettings
from pipeline.domain.plain import from_plain
from pipeline.domain.ports import AudioDecoder, DecoderFactory, DetectorFactory
from pipeline.domain.retained_audio import AudioBlock, AudioJournal
from pipeline.domain.session_snapshot import (
    SESSION,
    AudioFormat,
    Progress,
    SessionSnapshot,
    restored_decoder,
    restored_format,
    restored_ordering,
    restored_tracks,
    session_snapshot,
)
from pipeline.domain.track import Closed, Track, TrackSettings, Wanted
from pipeline.domain.types import SAMPLES_PER_MS, AudioChunk, Pcm16, Received
from pipeline.errors import InvalidChunk, OutOfSequence, RejectedRecord


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
    partial_lag_ms: int = 2_000


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
        self._format: AudioFormat | None = None
        self._decoder: AudioDecoder | None = None
        self._tracks: list[Track] = []
        self._last_heard_at_ms = 0
        self._load = Load.BUSY

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

    def receive(self, item: Received, now_ms: int, load: Load = Load.BUSY) -> list[Action]:
        """Take one chunk, in whatever order it comes. Audio after an end by silence opens the session again.

        ``load`` is that of the engines: it decides which partials are worth asking for, and nothing else.
        """
        self._load = load
        if self._at.finished and item.chunk.seq >= self._ordering.expected_seq:
            return [Rejected(item, _after_the_end(item.chunk))]
        try:
            released = self._ordering.offer(item)
        except OutOfSequence as error:
            return [Rejected(item, error)]
        self._last_heard_at_ms = now_ms
        if released or self._ordering.holds_back:
            self._at.ended_at_ms = None
        return self._take_all(released, now_ms)

    def wake(self, now_ms: int) -> list[Action]:
        """Act on the time that passed: give up what is missing, end what has gone quiet."""
        if self.ended or now_ms < self.deadline_ms():
            return []
        if self._ordering.holds_back:
            self._last_heard_at_ms = now_ms
            return self._take_all(self._ordering.give_up_missing(), now_ms)
        return self._end(now_ms)

    def postpone(self, at_ms: int) -> None:
        """Count all waiting from ``at_ms`` at the earliest: until then, silence said nothing about the producer."""
        self._last_heard_at_ms = max(self._last_heard_at_ms, at_ms)

    def partials_withheld(self) -> int:
        """How many partials were due but not asked for, because of the load, since the last call."""
        count = sum(track.withheld for track in self._tracks)
        for track in self._tracks:
            track.withheld = 0
        return count

    def snapshot(self) -> SessionSnapshot:
        """All but the retained audio, which operators keep by ``audio_journals``."""
        return session_snapshot(self._at, self._ordering, self._format, self._decoder, self._tracks)

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
        """The session of a snapshot, with the retained blocks of each channel. Raises UnknownSnapshot."""
        saved = SESSION.upgraded(saved)
        session = cls.__new__(cls)
        session._settings, session._ports = settings, ports
        session._at = from_plain(Progress, saved["progress"])
        session._ordering = restored_ordering(settings.ordering, saved)
        session._format = restored_format(saved)
        session._decoder = restored_decoder(ports.make_decoder, saved)
        session._tracks = restored_tracks(settings.track, ports.make_detector, saved, audio)
        session._last_heard_at_ms = 0
        session._load = Load.BUSY
        return session

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
        at.stored_at_ms = item.stored_at_ms

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
        load = self._load_at(now_ms)
        return self._on_each_track(lambda track, channel: track.hear(audio[channel], at.last_offset, load), now_ms)

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
        load = self._load_at(now_ms)
        return self._on_each_track(
            lambda track, channel: track.hear_gap(silence[channel], at.last_offset, load), now_ms
        )

    def _clock_ms(self) -> int:
        """Where the next chunk begins on the audio clock."""
        return self._tracks[0].end_sample // SAMPLES_PER_MS if self._tracks else 0

    def _end(self, now_ms: int) -> list[Action]:
        actions = self._on_each_track(lambda track, _: track.flush(), now_ms)
        at = self._at
        at.ended_at_ms = now_ms
        ended = ended_of(at, self._clock_ms(), now_ms)
        if at.finished:
            self._tracks, self._decoder = [], None
        return [*actions, ended]

    def _on_each_track(self, listen: Callable[[Track, int], list[Wanted | Closed]], now_ms: int) -> list[Action]:
        return [
            self._action(found, channel, now_ms)
            for channel, track in enumerate(self._tracks)
            for found in listen(track, channel)
        ]

    def _action(self, found: Wanted | Closed, channel: int, now_ms: int) -> Action:
        if isinstance(found, Closed):
            self._at.segments += 1
            return closed_of(self._at, found, channel, now_ms)
        return request_of(self._at, found, channel, now_ms)

    def _load_at(self, now_ms: int) -> Load:
        """The load; full where the newest audio waited so long that a partial of it would be of no use any more."""
        stored_at_ms = self._at.stored_at_ms
        lags = stored_at_ms > 0 and now_ms - stored_at_ms >= self._settings.partial_lag_ms
        return Load.FULL if lags else self._load


def _after_the_end(chunk: AudioChunk) -> OutOfSequence:
    return OutOfSequence(
        f"session {chunk.session_id!r}: chunk {chunk.seq} came after the end of its stream; "
        "a producer that goes on needs a new session id"
    )

"""One channel of a session: from samples to the stretches that are to be recognised.

The samples go to the speech detector frame by frame, its probabilities to the endpointer, and what the endpointer
makes certain opens, pauses and closes segments. A segment starts a pre-roll before its onset, so that first
words are whole, and ends ``early_final_ms`` after its last heard frame: exactly the audio its early final was
asked for, so that the confirmed end costs no second recognition.
"""

from dataclasses import dataclass, field
from typing import TypedDict

from pipeline.domain.cadence import CadenceSettings, next_partial_ms
from pipeline.domain.endpointing import Endpointer, EndpointingSettings, EndpointingState, Event, State
from pipeline.domain.ports import Plain, SpeechDetector
from pipeline.domain.retained_audio import AudioBlock, AudioJournal, RetainedAudio, quietest_sample
from pipeline.domain.types import SAMPLES_PER_MS, Pcm16, RequestKind


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """``pre_roll_ms`` is kept before an onset; a segment of ``max_segment_ms`` is cut in its last third."""

    pre_roll_ms: int = 320
    max_segment_ms: int = 15_000
    endpointing: EndpointingSettings = field(default_factory=EndpointingSettings)
    cadence: CadenceSettings = field(default_factory=CadenceSettings)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A text is wanted for ``audio`` (shape (n,), int16), which begins at ``start_sample`` of the audio clock."""

    kind: RequestKind
    segment: int
    revision: int
    start_sample: int
    end_sample: int
    audio: Pcm16


@dataclass(frozen=True, slots=True)
class Closed:
    """A segment ended; the text of request ``revision`` is its final one."""

    segment: int
    revision: int
    start_sample: int
    end_sample: int
    gap_ms: int
    first_offset: int
    last_offset: int


@dataclass
class Place:
    """Where a track stands: plain numbers, all in a snapshot. Samples are on the channel's audio clock."""

    segment: int
    analysed: int = 0
    start: int = 0
    floor: int = 0
    revision: int = 0
    early_revision: int | None = None
    asked_ms: int = 0
    gap_ms: int = 0


class TrackSnapshot(TypedDict):
    """Plain data only."""

    place: dict[str, int | None]
    endpointer: tuple[int, int, int, bool]
    detector: dict[str, Plain]
    audio_start: int


class Track:
    """The speech of one channel."""

    def __init__(self, settings: TrackSettings, detector: SpeechDetector, first_segment: int = 0) -> None:
        self._settings = settings
        self._detector = detector
        self._endpointer = Endpointer(settings.endpointing)
        self._audio = RetainedAudio()
        self._at = Place(first_segment)

    @property
    def segment(self) -> int:
        """The number of the open or next segment."""
        return self._at.segment

    @property
    def end_sample(self) -> int:
        """How far the audio clock of this channel has come."""
        return self._audio.end_sample

    def hear(self, samples: Pcm16, offset: int) -> list[Wanted | Closed]:
        """Take the next audio, shape (n,), int16, which came with the chunk at ``offset``."""
        self._audio.append(samples, offset)
        found: list[Wanted | Closed] = []
        for probability in self._probabilities():
            self._at.analysed += self._detector.frame_samples
            found += self._take_frame(probability)
        found += self._partial_if_due()
        self._audio.forget_before(self._needed_from())
        return found

    def hear_gap(self, silence: Pcm16, offset: int) -> list[Wanted | Closed]:
        """Take what stands in for lost audio, shape (n,), int16, and count it."""
        self._at.gap_ms += len(silence) // SAMPLES_PER_MS
        return self.hear(silence, offset)

    def flush(self) -> list[Wanted | Closed]:
        """Close the open segment with all the audio there is; what was not yet certain to be speech is dropped."""
        found: list[Wanted | Closed] = []
        if self._endpointer.in_speech:
            in_pause = self._endpointer.in_pause
            found = self._close(self._speech_end_sample() if in_pause else self._audio.end_sample)
        self._endpointer = Endpointer(self._settings.endpointing)
        return found

    def flush_and_skip(self, samples: int) -> list[Wanted | Closed]:
        """Close the open segment and let the clock go on without audio."""
        found = self.flush()
        self._at.analysed = self._at.floor = self._audio.end_sample + samples
        self._audio.skip_to(self._at.analysed)
        return found

    def snapshot(self) -> TrackSnapshot:
        """All but the retained audio, which operators keep by ``audio_journal``."""
        at = self._endpointer.snapshot()
        return {
            "place": vars(self._at).copy(),
            "endpointer": (int(at.state), at.onset_ms, at.speech_end_ms, at.paused),
            "detector": self._detector.snapshot(),
            "audio_start": self._audio.start_sample,
        }

    def audio_journal(self) -> AudioJournal:
        """What changed in the retained audio since the last call."""
        return self._audio.journal()

    def audio_blocks(self) -> tuple[AudioBlock, ...]:
        """All retained audio."""
        return self._audio.blocks

    def restore(self, saved: TrackSnapshot, blocks: tuple[AudioBlock, ...]) -> None:
        """Go on from a snapshot; the detector was restored by whoever made it."""
        state, onset_ms, speech_end_ms, paused = saved["endpointer"]
        self._endpointer = Endpointer(
            self._settings.endpointing, EndpointingState(State(state), onset_ms, speech_end_ms, paused)
        )
        self._audio = RetainedAudio(saved["audio_start"], blocks)
        self._at = Place(**saved["place"])  # type: ignore[arg-type]

    def _probabilities(self) -> list[float]:
        frame = self._detector.frame_samples
        count = (self._audio.end_sample - self._at.analysed) // frame
        if count == 0:
            return []
        audio = self._audio.stretch(self._at.analysed, self._at.analysed + count * frame)
        return self._detector.probabilities(audio.reshape(count, frame))

    def _take_frame(self, probability: float) -> list[Wanted | Closed]:
        end_ms = self._at.analysed // SAMPLES_PER_MS
        start_ms = (self._at.analysed - self._detector.frame_samples) // SAMPLES_PER_MS
        event = self._endpointer.step(probability, start_ms, end_ms)
        match event:
            case Event.STARTED:
                self._open(self._onset_with_pre_roll())
            case Event.PAUSED:
                self._at.early_revision = self._at.revision
                return [self._want(RequestKind.EARLY_FINAL, self._speech_end_sample())]
            case Event.RESUMED:
                self._at.early_revision = None
            case Event.ENDED:
                return self._close(self._speech_end_sample())
        return self._cut_if_too_long()

    def _open(self, start_sample: int) -> None:
        at = self._at
        self._at = Place(at.segment, at.analysed, start_sample, at.floor)

    def _onset_with_pre_roll(self) -> int:
        wanted = (self._endpointer.onset_ms - self._settings.pre_roll_ms) * SAMPLES_PER_MS
        return max(wanted, self._at.floor, self._audio.start_sample)

    def _speech_end_sample(self) -> int:
        """A little after the last heard frame, or at the end of what was analysed if that comes first."""
        end_ms = self._endpointer.speech_end_ms + self._settings.endpointing.early_final_ms
        return min(end_ms * SAMPLES_PER_MS, self._at.analysed)

    def _want(self, kind: RequestKind, end_sample: int) -> Wanted:
        audio = self._audio.stretch(self._at.start, end_sample)
        wanted = Wanted(kind, self._at.segment, self._at.revision, self._at.start, end_sample, audio)
        self._at.revision += 1
        return wanted

    def _close(self, end_sample: int) -> list[Wanted | Closed]:
        found: list[Wanted | Closed] = []
        if self._at.early_revision is None:
            self._at.early_revision = self._at.revision
            found.append(self._want(RequestKind.FINAL, end_sample))
        found.append(self._closed(self._at.early_revision, end_sample))
        self._at.segment += 1
        self._at.floor = end_sample
        return found

    def _closed(self, revision: int, end_sample: int) -> Closed:
        return Closed(
            self._at.segment,
            revision,
            self._at.start,
            end_sample,
            self._at.gap_ms,
            self._audio.offset_at(self._at.start),
            self._audio.offset_at(end_sample - 1),
        )

    def _cut_if_too_long(self) -> list[Wanted | Closed]:
        longest = self._settings.max_segment_ms * SAMPLES_PER_MS
        if self._endpointer.state is not State.SPEECH or self._at.analysed - self._at.start < longest:
            return []
        search_from = self._at.start + longest * 2 // 3
        cut = search_from + quietest_sample(self._audio.stretch(search_from, self._at.analysed))
        found = self._close(cut)
        self._open(cut)
        return found

    def _partial_if_due(self) -> list[Wanted | Closed]:
        if not self._endpointer.in_speech or self._endpointer.in_pause:
            return []
        length_ms = (self._at.analysed - self._at.start) // SAMPLES_PER_MS
        if length_ms < next_partial_ms(self._settings.cadence, self._at.asked_ms):
            return []
        self._at.asked_ms = length_ms
        return [self._want(RequestKind.PARTIAL, self._at.analysed)]

    def _needed_from(self) -> int:
        if self._endpointer.in_speech:
            return self._at.start
        heard_from = self._at.analysed
        if self._endpointer.state is State.MAYBE_SPEECH:
            heard_from = self._endpointer.onset_ms * SAMPLES_PER_MS
        return heard_from - self._settings.pre_roll_ms * SAMPLES_PER_MS

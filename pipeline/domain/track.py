"""One channel of a session: from samples to the stretches that are to be recognised.

The samples go to the speech detector frame by frame, its probabilities to the endpointer, and what the endpointer
makes certain opens, pauses and closes segments. A segment spans its speech, from onset to last heard frame. Its audio
starts a pre-roll before that, so that first words are whole, and ends ``early_final_ms`` after it: exactly the audio
its early final was asked for, so that the confirmed end costs no second recognition.
"""

from dataclasses import dataclass, field
from typing import TypedDict

from pipeline.domain.cadence import NO_MARKS, CadenceSettings, Load, Marks, due, marked
from pipeline.domain.endpointing import Endpointer, EndpointingSettings, EndpointingState, Event, State
from pipeline.domain.plain import from_plain
from pipeline.domain.ports import Plain, SpeechDetector
from pipeline.domain.retained_audio import AudioBlock, AudioJournal, RetainedAudio, quietest_sample
from pipeline.domain.types import SAMPLES_PER_MS, Pcm16, RequestKind


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """``pre_roll_ms`` is kept before an onset; a segment of ``max_segment_ms`` is cut in its last third."""

    pre_roll_ms: int = 480
    max_segment_ms: int = 20_000
    endpointing: EndpointingSettings = field(default_factory=EndpointingSettings)
    cadence: CadenceSettings = field(default_factory=CadenceSettings)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A text is wanted for ``audio`` (shape (n,), int16): the speech between the samples given, and some around it."""

    kind: RequestKind
    segment: int
    revision: int
    start_sample: int
    end_sample: int
    audio: Pcm16


@dataclass(frozen=True, slots=True)
class Closed:
    """A segment, speech between the samples given, ended; the text of request ``revision`` is its final one."""

    segment: int
    revision: int
    start_sample: int
    end_sample: int
    gap_ms: int
    first_offset: int
    last_offset: int


@dataclass
class Place:
    """Where a track stands: plain numbers, all in a snapshot. Samples are on the channel's audio clock.

    The open segment's audio is kept from ``start`` on, its speech begins at ``onset``; no segment reaches back before
    ``floor``, where the one before it ended.
    """

    segment: int
    analysed: int = 0
    start: int = 0
    onset: int = 0
    floor: int = 0
    revision: int = 0
    early_revision: int | None = None
    early_held: bool = False
    marks: Marks = NO_MARKS
    gap_ms: int = 0


class TrackSnapshot(TypedDict):
    """Plain data only."""

    place: dict[str, Plain]
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
        self.withheld = 0

    @property
    def segment(self) -> int:
        """The number of the open or next segment."""
        return self._at.segment

    @property
    def end_sample(self) -> int:
        """How far the audio clock of this channel has come."""
        return self._audio.end_sample

    def hear(self, samples: Pcm16, offset: int, load: Load = Load.BUSY) -> list[Wanted | Closed]:
        """Take the next audio, shape (n,), int16, which came with the chunk at ``offset``.

        Partials that are due but not worth their cost under the ``load`` are left out, and counted in ``withheld``.
        Under a full load an early final is not asked for until the end is certain, since speech may yet go on; it is
        then a final with the same revision and the same audio.
        """
        self._audio.append(samples, offset)
        found: list[Wanted | Closed] = []
        for probability in self._probabilities():
            self._at.analysed += self._detector.frame_samples
            found += self._take_frame(probability, load)
        found += self._partial_if_due(load)
        self._audio.forget_before(self._needed_from())
        return found

    def hear_gap(self, silence: Pcm16, offset: int, load: Load = Load.BUSY) -> list[Wanted | Closed]:
        """Take what stands in for lost audio, shape (n,), int16, and count it."""
        self._at.gap_ms += len(silence) // SAMPLES_PER_MS
        return self.hear(silence, offset, load)

    def flush(self) -> list[Wanted | Closed]:
        """Close the open segment with all the audio there is; what was not yet certain to be speech is dropped."""
        found: list[Wanted | Closed] = []
        if self._endpointer.in_speech:
            end = self._audio.end_sample
            silent = self._endpointer.state is State.MAYBE_SILENCE
            found = self._close(self._speech_end(), self._tail_end(end)) if silent else self._close(end, end)
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
            "place": {**vars(self._at), "marks": list(self._at.marks)},
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
        self._at = from_plain(Place, saved["place"])

    def _probabilities(self) -> list[float]:
        frame = self._detector.frame_samples
        count = (self._audio.end_sample - self._at.analysed) // frame
        if count == 0:
            return []
        audio = self._audio.stretch(self._at.analysed, self._at.analysed + count * frame)
        return self._detector.probabilities(audio.reshape(count, frame))

    def _take_frame(self, probability: float, load: Load) -> list[Wanted | Closed]:
        end_ms = self._at.analysed // SAMPLES_PER_MS
        start_ms = (self._at.analysed - self._detector.frame_samples) // SAMPLES_PER_MS
        event = self._endpointer.step(probability, start_ms, end_ms)
        match event:
            case Event.STARTED:
                # A frame may reach back into a segment that was flushed in the middle of it.
                onset = max(self._endpointer.onset_ms * SAMPLES_PER_MS, self._at.floor)
                self._open(self._with_pre_roll(onset), onset)
            case Event.PAUSED:
                return self._pause(load)
            case Event.RESUMED:
                self._at.early_revision, self._at.early_held = None, False
            case Event.ENDED:
                return self._close(self._speech_end(), self._tail_end(self._at.analysed))
        return self._cut_if_too_long()

    def _open(self, start: int, onset: int) -> None:
        at = self._at
        self._at = Place(at.segment, at.analysed, start, onset, at.floor)

    def _with_pre_roll(self, onset: int) -> int:
        wanted = onset - self._settings.pre_roll_ms * SAMPLES_PER_MS
        return max(wanted, self._at.floor, self._audio.start_sample)

    def _speech_end(self) -> int:
        return self._endpointer.speech_end_ms * SAMPLES_PER_MS

    def _tail_end(self, limit: int) -> int:
        """Where the audio ends of a segment whose speech is over: a little later, but not past ``limit``."""
        tail = self._settings.endpointing.early_final_ms * SAMPLES_PER_MS
        return min(self._speech_end() + tail, limit)

    def _next_revision(self) -> int:
        self._at.revision += 1
        return self._at.revision - 1

    def _wanted(self, kind: RequestKind, revision: int, speech_end: int, audio_end: int) -> Wanted:
        at = self._at
        return Wanted(kind, at.segment, revision, at.onset, speech_end, self._audio.stretch(at.start, audio_end))

    def _pause(self, load: Load) -> list[Wanted | Closed]:
        at = self._at
        at.early_revision = self._next_revision()
        at.early_held = load is Load.FULL
        if at.early_held:
            return []
        end = self._tail_end(at.analysed)
        return [self._wanted(RequestKind.EARLY_FINAL, at.early_revision, self._speech_end(), end)]

    def _close(self, speech_end: int, audio_end: int) -> list[Wanted | Closed]:
        at = self._at
        found: list[Wanted | Closed] = []
        if at.early_revision is None or at.early_held:
            at.early_revision = self._next_revision() if at.early_revision is None else at.early_revision
            found.append(self._wanted(RequestKind.FINAL, at.early_revision, speech_end, audio_end))
        found.append(self._closed(at.early_revision, speech_end, audio_end))
        at.segment += 1
        at.floor = audio_end
        return found

    def _closed(self, revision: int, speech_end: int, audio_end: int) -> Closed:
        at = self._at
        first_offset, last_offset = self._audio.offset_at(at.start), self._audio.offset_at(audio_end - 1)
        return Closed(at.segment, revision, at.onset, speech_end, at.gap_ms, first_offset, last_offset)

    def _cut_if_too_long(self) -> list[Wanted | Closed]:
        longest = self._settings.max_segment_ms * SAMPLES_PER_MS
        if self._endpointer.state is not State.SPEECH or self._at.analysed - self._at.start < longest:
            return []
        search_from = self._at.start + longest * 2 // 3
        cut = search_from + quietest_sample(self._audio.stretch(search_from, self._at.analysed))
        found = self._close(cut, cut)
        self._open(cut, cut)
        return found

    def _partial_if_due(self, load: Load) -> list[Wanted | Closed]:
        if not self._endpointer.in_speech or self._endpointer.in_pause:
            return []
        spoken_ms = (self._at.analysed - self._at.onset) // SAMPLES_PER_MS
        worth_at = due(self._settings.cadence, self._at.marks, spoken_ms)
        if worth_at is None:
            return []
        self._at.marks = marked(self._settings.cadence, self._at.marks, spoken_ms)
        revision = self._next_revision()  # used up in any case, so that later ones are the same under any load
        if load > worth_at:
            self.withheld += 1
            return []
        return [self._wanted(RequestKind.PARTIAL, revision, self._at.analysed, self._at.analysed)]

    def _needed_from(self) -> int:
        if self._endpointer.in_speech:
            return self._at.start
        heard_from = self._at.analysed
        if self._endpointer.state is State.MAYBE_SPEECH:
            heard_from = self._endpointer.onset_ms * SAMPLES_PER_MS
        return heard_from - self._settings.pre_roll_ms * SAMPLES_PER_MS

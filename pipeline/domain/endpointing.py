"""Where speech starts and ends, from the speech probabilities of short frames.

A transition table, in the manner of h11: what is not in the table cannot happen.

    SILENCE ──heard──> MAYBE_SPEECH ──heard long enough──> SPEECH ──not heard──> MAYBE_SILENCE
       ^                    │ not heard                       ^ heard                 │
       ├────────────────────┘                                 └───────────────────────┤
       └───────────────────────────────────────────────────── silent long enough ─────┘

Whether a frame is *heard* has hysteresis: starting takes a higher probability than going on. A pause long enough
for an early final is reported once a pause. After little speech more silence is asked for, because a
hesitation after one word is likelier than the end of a one-word turn, and because short stretches are recognised
worst (measured in perf/wer.py).
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

FRAME_MS: Final = 32
"""What a speech detector judges at once."""

SHORTEST_SILENCE_MS: Final = 128


class State(IntEnum):
    """Where the endpointer stands."""

    SILENCE = 0
    MAYBE_SPEECH = 1
    SPEECH = 2
    MAYBE_SILENCE = 3


class Event(IntEnum):
    """What a frame made certain."""

    STARTED = 0
    PAUSED = 1
    RESUMED = 2
    ENDED = 3


@dataclass(frozen=True, slots=True)
class EndpointingSettings:
    """Probabilities in [0, 1], durations in milliseconds of audio."""

    start_probability: float = 0.5
    continue_probability: float = 0.25
    min_speech_ms: int = 96
    early_final_ms: int = 192
    silence_ms: int = 256
    silence_after_short_ms: int = 320
    short_speech_ms: int = 1_500

    @classmethod
    def ending_after(cls, silence_ms: int) -> "EndpointingSettings":
        """Any segment ends after ``silence_ms``, rounded to whole frames; its text is asked for two frames before.

        Raises ValueError below SHORTEST_SILENCE_MS.
        """
        if silence_ms < SHORTEST_SILENCE_MS:
            raise ValueError(
                f"a silence of {silence_ms} ms ends words, not sentences: use {SHORTEST_SILENCE_MS} or more"
            )
        whole_ms = FRAME_MS * round(silence_ms / FRAME_MS)
        early_ms = min(cls().early_final_ms, whole_ms - 2 * FRAME_MS)
        return cls(early_final_ms=early_ms, silence_ms=whole_ms, silence_after_short_ms=whole_ms)

    def end_silence_ms(self, speech_ms: int) -> int:
        """How much silence ends a segment that has heard so much speech."""
        return self.silence_after_short_ms if speech_ms < self.short_speech_ms else self.silence_ms


@dataclass(frozen=True, slots=True)
class EndpointingState:
    """``onset_ms`` and ``speech_end_ms`` are on the audio clock and meaningful only past the state that sets them."""

    state: State = State.SILENCE
    onset_ms: int = 0
    speech_end_ms: int = 0
    paused: bool = False


# (state, heard, long enough) -> (next state, event); "long enough" is heard-for in MAYBE_SPEECH, silent-for in
# MAYBE_SILENCE, and does not matter elsewhere.
_TRANSITIONS: dict[tuple[State, bool, bool], tuple[State, Event | None]] = {
    (State.SILENCE, False, False): (State.SILENCE, None),
    (State.SILENCE, True, False): (State.MAYBE_SPEECH, None),
    (State.SILENCE, True, True): (State.SPEECH, Event.STARTED),
    (State.MAYBE_SPEECH, False, False): (State.SILENCE, None),
    (State.MAYBE_SPEECH, True, False): (State.MAYBE_SPEECH, None),
    (State.MAYBE_SPEECH, True, True): (State.SPEECH, Event.STARTED),
    (State.SPEECH, True, False): (State.SPEECH, None),
    (State.SPEECH, False, False): (State.MAYBE_SILENCE, None),
    (State.MAYBE_SILENCE, True, False): (State.SPEECH, Event.RESUMED),
    (State.MAYBE_SILENCE, False, False): (State.MAYBE_SILENCE, None),
    (State.MAYBE_SILENCE, False, True): (State.SILENCE, Event.ENDED),
}


class Endpointer:
    """Start and end of speech on one channel."""

    def __init__(self, settings: EndpointingSettings, state: EndpointingState | None = None) -> None:
        self._settings = settings
        at = state or EndpointingState()
        self._state, self.onset_ms, self.speech_end_ms, self._paused = (
            at.state,
            at.onset_ms,
            at.speech_end_ms,
            at.paused,
        )

    @property
    def in_speech(self) -> bool:
        """Whether a segment is open."""
        return self._state >= State.SPEECH

    @property
    def in_pause(self) -> bool:
        """Whether the open segment's early final was asked for and speech has not gone on since."""
        return self._state is State.MAYBE_SILENCE and self._paused

    def step(self, probability: float, start_ms: int, end_ms: int) -> Event | None:
        """Take one frame that covers [start_ms, end_ms) of the audio clock; say what it made certain."""
        heard = self._is_heard(probability)
        self._mark(heard, start_ms)
        self._state, event = _TRANSITIONS[self._state, heard, self._is_long_enough(heard, end_ms)]
        return self._pause(end_ms) if event is None else event

    @property
    def state(self) -> State:
        return self._state

    def snapshot(self) -> EndpointingState:
        return EndpointingState(self._state, self.onset_ms, self.speech_end_ms, self._paused)

    def _is_heard(self, probability: float) -> bool:
        settings = self._settings
        return probability >= (settings.continue_probability if self.in_speech else settings.start_probability)

    def _mark(self, heard: bool, start_ms: int) -> None:
        if heard and self._state is State.SILENCE:
            self.onset_ms = start_ms
        elif not heard and self._state is State.SPEECH:
            self.speech_end_ms, self._paused = start_ms, False

    def _is_long_enough(self, heard: bool, end_ms: int) -> bool:
        if heard and not self.in_speech:
            return end_ms - self.onset_ms >= self._settings.min_speech_ms
        if not heard and self._state is State.MAYBE_SILENCE:
            speech_ms = self.speech_end_ms - self.onset_ms
            return end_ms - self.speech_end_ms >= self._settings.end_silence_ms(speech_ms)
        return False

    def _pause(self, end_ms: int) -> Event | None:
        silent = self._state is State.MAYBE_SILENCE and not self._paused
        if silent and end_ms - self.speech_end_ms >= self._settings.early_final_ms:
            self._paused = True
            return Event.PAUSED
        return None

"""What the domain asks of the world outside it, as protocols; adapters implement them, tests fake them."""

from collections.abc import Sequence
from typing import Protocol

from pipeline.domain.types import Codec, Hypothesis, Pcm, Pcm16

Plain = None | bool | int | float | str | bytes | list["Plain"] | dict[str, "Plain"]
"""What a snapshot may be made of: it must outlive the code that wrote it."""


class AudioDecoder(Protocol):
    """Turns the packets of one session into 16 kHz audio, one row a channel.

    The samples that come out depend only on the packets fed since the decoder was made: restoring a snapshot into a
    fresh decoder, in another process, continues with exactly the samples of an undisturbed run.
    """

    def decode(self, packets: Sequence[bytes]) -> Pcm16:
        """Shape (channels, samples), dtype int16, 16 kHz. Raises UndecodablePacket; the decoder stays usable."""
        ...

    def conceal(self, duration_ms: int) -> Pcm16:
        """The audio that stands in for lost packets: shape (channels, duration_ms * 16), dtype int16."""
        ...

    def snapshot(self) -> dict[str, Plain]: ...


class DecoderFactory(Protocol):
    """Makes the decoder of a session, fresh or from a snapshot. Raises UnknownCodec and InvalidChunk."""

    def __call__(
        self, codec: Codec, sample_rate_hz: int, channels: int, snapshot: dict[str, Plain] | None = None
    ) -> AudioDecoder: ...


class SpeechDetector(Protocol):
    """Speech probabilities of one channel's audio, frame by frame, with state that restores exactly."""

    frame_samples: int

    def probabilities(self, frames: Pcm16) -> list[float]:
        """``frames``: shape (n, frame_samples), dtype int16. One probability in [0, 1] a frame, in order."""
        ...

    def snapshot(self) -> dict[str, Plain]: ...


class DetectorFactory(Protocol):
    """Makes the speech detector of one channel, fresh or from a snapshot."""

    def __call__(self, snapshot: dict[str, Plain] | None = None) -> SpeechDetector: ...


class Recognizer(Protocol):
    """A speech engine, called from several threads at once. A text must never depend on the others of its batch.

    Engines reach that by recognising every stretch at its canonical length (padded with silence) and by taking only
    equal canonical lengths in one batch.
    """

    name: str
    version: str
    max_samples: int

    def canonical_samples(self, samples: int) -> int:
        """The padded length at which a stretch of so many samples is recognised."""
        ...

    def recognize(self, batch: Sequence[Pcm], drafts: Sequence[Sequence[int]] = ()) -> list[Hypothesis]:
        """One hypothesis a stretch, in order. All must share one canonical length. Raises EngineError.

        ``drafts``, where given, holds for each stretch the tokens of an earlier hypothesis about the beginning of the
        same speech, or none. They may save time and must change no text: after a crash there are none. An engine
        whose hypotheses have no tokens is never given any.
        """
        ...

    def warm_up(self) -> None:
        """Run each kind of work once, so that the first real request is as fast as the others."""
        ...

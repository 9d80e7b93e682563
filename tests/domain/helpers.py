"""Talkers, chunks, and stand-ins for what the domain asks of the outside."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from pipeline.domain.actions import Action, Rejected
from pipeline.domain.ports import Plain
from pipeline.domain.retained_audio import AudioBlock, AudioJournal
from pipeline.domain.session import Ports, Session, SessionSettings
from pipeline.domain.types import (
    SAMPLES_PER_MS,
    AudioChunk,
    Codec,
    InferenceRequest,
    Pcm16,
    Received,
    SegmentClosed,
    SessionEnded,
    SourcePosition,
    StageTimes,
)
from pipeline.errors import UndecodablePacket, UnknownCodec

STARTED_AT_MS = 1_000_000
FIRST_OFFSET = 7_000
BROKEN = b"broken"
"""A packet that no decoder can decode."""


def talk(*parts: str) -> Pcm16:
    """Audio of parts such as "speech 1200" and "silence 600" (milliseconds), shape (n,), no two moments alike."""
    noise = np.random.default_rng(1)
    pieces = [np.zeros(0, np.int16)]
    for part in parts:
        kind, duration_ms = part.split()
        loudness = 8_000 if kind == "speech" else 20
        shape = int(duration_ms) * SAMPLES_PER_MS
        pieces.append(noise.integers(-loudness, loudness, shape).astype(np.int16))
    return np.concatenate(pieces)


def received(
    seq: int,
    *packets: bytes,
    captured_at_ms: int | None = None,
    at_ms: int | None = None,
    channels: int = 1,
    end_of_stream: bool = False,
) -> Received:
    """Chunk ``seq`` of session "s", captured 100 ms after the one before it and received 150 ms after that."""
    captured = STARTED_AT_MS + 100 * seq if captured_at_ms is None else captured_at_ms
    chunk = AudioChunk("s", seq, captured, Codec.PCM_S16LE, 16_000, channels, packets, end_of_stream, "acme", "en")
    source = SourcePosition("speech.audio.v1", 3, FIRST_OFFSET + seq)
    return Received(chunk, b"raw", source, captured + 150 if at_ms is None else at_ms)


def chunks_of(audio: Pcm16, chunk_ms: int = 100, ends: bool = True, first_seq: int = 0) -> list[Received]:
    """``audio`` (shape (n,) or (channels, n)) as chunks; the last one ends the stream if ``ends``."""
    rows = np.atleast_2d(audio)
    size = chunk_ms * SAMPLES_PER_MS
    starts = range(0, rows.shape[1], size)
    return [
        received(
            first_seq + index,
            rows[:, start : start + size].T.astype("<i2").tobytes(),
            captured_at_ms=STARTED_AT_MS + chunk_ms * (first_seq + index),
            channels=len(rows),
            end_of_stream=ends and start == starts[-1],
        )
        for index, start in enumerate(starts)
    ]


class EnergyDetector:
    """Certain of speech where a frame is loud, certain of silence elsewhere; counts its frames."""

    frame_samples = 512

    def __init__(self, snapshot: dict[str, Plain] | None = None) -> None:
        self._frames = int(str(snapshot["frames"])) if snapshot else 0

    def probabilities(self, frames: Pcm16) -> list[float]:
        self._frames += len(frames)
        return [1.0 if loudness > 1_000 else 0.0 for loudness in np.abs(frames.astype(np.int32)).mean(axis=1)]

    def snapshot(self) -> dict[str, Plain]:
        return {"frames": self._frames}


class PlainDecoder:
    """Linear PCM at 16 kHz only; conceals with what it decoded last, as codecs do, so that its state matters."""

    def __init__(
        self, codec: Codec, sample_rate_hz: int, channels: int, snapshot: dict[str, Plain] | None = None
    ) -> None:
        if (codec, sample_rate_hz) != (Codec.PCM_S16LE, 16_000):
            raise UnknownCodec(f"codec {codec} at {sample_rate_hz} Hz")
        self._channels = channels
        last = snapshot["last"] if snapshot else b"\0\0" * channels
        assert isinstance(last, bytes)
        self._last = last

    def decode(self, packets: Sequence[bytes]) -> Pcm16:
        if BROKEN in packets:
            raise UndecodablePacket("packet of 6 bytes: it says that it is broken")
        joined = b"".join(packets)
        self._last = joined[-2 * self._channels :] or self._last
        return self._rows(joined)

    def conceal(self, duration_ms: int) -> Pcm16:
        return self._rows(self._last * (duration_ms * SAMPLES_PER_MS)) // 16

    def snapshot(self) -> dict[str, Plain]:
        return {"last": self._last}

    def _rows(self, joined: bytes) -> Pcm16:
        return np.frombuffer(joined, "<i2").reshape(-1, self._channels).T


PORTS = Ports(PlainDecoder, EnergyDetector)


def session_of(settings: SessionSettings | None = None, first: Received | None = None, ports: Ports = PORTS) -> Session:
    return Session(settings or SessionSettings(), ports, (first or received(0)).chunk)


def heard(session: Session, items: Iterable[Received]) -> list[Action]:
    """All actions of a session that receives ``items``, each at its own time."""
    return [action for item in items for action in session.receive(item, item.at_ms)]


def requests(actions: Iterable[Action]) -> list[InferenceRequest]:
    return [action for action in actions if isinstance(action, InferenceRequest)]


def closings(actions: Iterable[Action]) -> list[SegmentClosed]:
    return [action for action in actions if isinstance(action, SegmentClosed)]


def endings(actions: Iterable[Action]) -> list[SessionEnded]:
    return [action for action in actions if isinstance(action, SessionEnded)]


def rejections(actions: Iterable[Action]) -> list[Rejected]:
    return [action for action in actions if isinstance(action, Rejected)]


def final_request(actions: Iterable[Action], closed: SegmentClosed) -> InferenceRequest:
    """The request whose text is the final one of ``closed``."""
    wanted = (closed.channel, closed.segment, closed.revision)
    (request,) = [each for each in requests(actions) if (each.channel, each.segment, each.revision) == wanted]
    return request


def timeless(action: Action) -> object:
    """``action`` without wall-clock times, comparable."""
    match action:
        case InferenceRequest():
            return replace(action, times=StageTimes())
        case SegmentClosed():
            return replace(action, closed_at_ms=0)
        case SessionEnded():
            return replace(action, ended_at_ms=0)
        case Rejected():
            return action.received, type(action.error), str(action.error)


def stored(value: object) -> object:
    """``value`` as a store of plain data gives it back, tuples as lists; anything not plain is a TypeError."""
    if isinstance(value, list | tuple):
        return [stored(item) for item in value]
    if isinstance(value, dict):
        return {stored(key): stored(item) for key, item in value.items()}
    # Neither enums nor numbers of NumPy, although they are instances of these.
    if type(value) in (type(None), bool, int, float, str, bytes):
        return value
    raise TypeError(f"{value!r} is a {type(value).__name__}, not plain data")


class Keeper:
    """Keeps a session as an operator would: its snapshot, and the audio its journals tell of, as plain data."""

    def __init__(self) -> None:
        self.snapshot: object = None
        self.audio: dict[int, list[tuple[int, bytes, int]]] = {}

    def keep(self, session: Session) -> None:
        self.snapshot = stored(session.snapshot())
        for channel, journal in enumerate(session.audio_journals()):
            self.audio[channel] = journaled(self.audio.get(channel, []), journal)

    def restored(self, settings: SessionSettings | None = None, ports: Ports = PORTS) -> Session:
        audio = {
            channel: [AudioBlock(start, np.frombuffer(pcm, np.int16), offset) for start, pcm, offset in blocks]
            for channel, blocks in self.audio.items()
        }
        return Session.restored(settings or SessionSettings(), ports, self.snapshot, audio)  # type: ignore[arg-type]


def journaled(kept: list[tuple[int, bytes, int]], journal: AudioJournal) -> list[tuple[int, bytes, int]]:
    """What is kept once ``journal`` is written."""
    blocks = [(block.start_sample, block.samples.tobytes(), block.offset) for block in journal.blocks]
    return blocks if journal.replaces else kept + blocks

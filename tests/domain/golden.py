"""Golden snapshots: sessions and transcripts in the middle of their lives, as files, so that later releases read them.

``python -m tests.domain.golden`` writes the files of the present version that are not there yet. It never writes over
one: what a release has once written stays as it was.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipeline.codecs.decoders import make_decoder
from pipeline.codecs.encoders import make_encoder
from pipeline.domain.assembler import Assembler
from pipeline.domain.plain import from_plain, to_plain
from pipeline.domain.retained_audio import AudioBlock
from pipeline.domain.session import Ports, Session, SessionSettings
from pipeline.domain.types import (
    AudioChunk,
    Codec,
    Hypothesis,
    InferenceResult,
    Pcm16,
    Received,
    RequestKind,
    SegmentClosed,
    SessionEnded,
    SourcePosition,
    StageTimes,
    Transcript,
    Word,
)
from tests.domain.helpers import STARTED_AT_MS, EnergyDetector, stored

FOLDER: Final = Path(__file__).parent / "snapshots"
CHUNK_MS: Final = 100
PORTS: Final = Ports(make_decoder, EnergyDetector)
"""The decoders of the job: their state is part of a session's."""

Event = InferenceResult | SegmentClosed | SessionEnded


@dataclass(frozen=True)
class GoldenSession:
    """A session that was written down after ``fed`` of its chunks, with its retained audio by channel."""

    name: str
    chunks: list[Received]
    fed: int
    snapshot: Any
    audio: list[list[AudioBlock]]

    @property
    def version(self) -> int:
        """The version of the release that wrote it down."""
        return int(self.snapshot["version"])

    def restored(self) -> Session:
        return Session.restored(SessionSettings(), PORTS, self.snapshot, dict(enumerate(self.audio)))

    def undisturbed(self) -> Session:
        """The same session in one life, as far as the snapshot's."""
        session = Session(SessionSettings(), PORTS, self.chunks[0].chunk)
        for item in self.chunks[: self.fed]:
            session.receive(item, item.at_ms)
        return session


@dataclass(frozen=True)
class GoldenTranscripts:
    """A session's transcripts, written down after ``fed`` of its events."""

    name: str
    fed: int
    snapshot: Any


def sessions(version: int) -> list[GoldenSession]:
    return [_session_in(path) for path in sorted(FOLDER.glob(f"session-v{version}-*.json"))]


def transcripts(version: int) -> list[GoldenTranscripts]:
    paths = sorted(FOLDER.glob(f"transcripts-v{version}-*.json"))
    return [GoldenTranscripts(path.stem, **_read(path)) for path in paths]


def assembled(assembler: Assembler, events: Iterable[Event]) -> list[Transcript]:
    """What comes of ``events``, one every 10 ms."""
    out: list[Transcript] = []
    for number, event in enumerate(events):
        take = assembler.on_result if isinstance(event, InferenceResult) else assembler.on_closed
        out += take(event, STARTED_AT_MS + 10 * number)  # type: ignore[arg-type]
    return out


def misfits(golden: Any, today: Any, place: str = "snapshot") -> list[str]:
    """Where ``today`` lacks something of ``golden`` or has it in another type. None may stand for anything."""
    if golden is None or today is None:
        return []
    if type(golden) is not type(today):
        return [f"{place}: {type(golden).__name__} became {type(today).__name__}"]
    if isinstance(golden, dict):
        gone = [f"{place}.{key} is gone" for key in golden if key not in today]
        pairs = [(f"{place}.{key}", golden[key], today[key]) for key in golden if key in today]
    elif isinstance(golden, list):
        gone = []
        pairs = [(f"{place}[{n}]", one, other) for n, (one, other) in enumerate(zip(golden, today, strict=False))]
    else:
        return []
    return [found for inside, one, other in pairs for found in misfits(one, other, inside)] + gone


# What the golden files are made of.


def result(segment: int, revision: int, kind: RequestKind, text: str) -> InferenceResult:
    words = tuple(Word(word, 0.5, None, None) for word in text.split())
    times = StageTimes(STARTED_AT_MS, STARTED_AT_MS + 1, STARTED_AT_MS + 2, STARTED_AT_MS + 3, STARTED_AT_MS + 4)
    hypothesis = Hypothesis(text, words)
    return InferenceResult("s", "acme", 0, segment, revision, kind, 0, 900, hypothesis, "en", "m", "1", times)


def closed(segment: int, revision: int) -> SegmentClosed:
    return SegmentClosed("s", "acme", 0, segment, revision, 0, 900, 0, 3, 10, 19, STARTED_AT_MS + 20)


EVENTS: Final[list[Event]] = [
    result(0, 0, RequestKind.PARTIAL, "it was"),
    result(0, 1, RequestKind.PARTIAL, "it was the best"),
    result(0, 2, RequestKind.EARLY_FINAL, "it was the best of times"),
    closed(0, 2),
    result(1, 0, RequestKind.PARTIAL, "it"),
    closed(1, 1),
    SessionEnded("s", "acme", 2, 3_000, 0, 3, 10, 40, STARTED_AT_MS + 30),
    result(1, 1, RequestKind.FINAL, "it was the worst"),
    result(1, 0, RequestKind.PARTIAL, "it was"),
]
"""Two segments, the end of a session, and a straggler."""

TRANSCRIPT_STATES: Final = {"open": 2, "answered-early": 3, "second-segment": 5, "ending": 7, "ended": 8}
"""Name to the number of events after which the transcripts are written down."""


def steady_talk(*parts: str, rate_hz: int = 8_000) -> Pcm16:
    """As ``talk``, from whole numbers alone: the same on every machine and with every NumPy."""
    pieces = []
    for part in parts:
        kind, duration_ms = part.split()
        count = int(duration_ms) * rate_hz // 1000
        noise = (np.arange(count, dtype=np.uint64) * np.uint64(2654435761) >> np.uint64(16)) % np.uint64(16_001)
        pieces.append((noise.astype(np.int64) - 8_000) // (1 if kind == "speech" else 400))
    return np.concatenate(pieces).astype(np.int16)


TALK: Final = ("silence 300", "speech 700", "silence 700", "speech 500", "silence 300")


def chunked(codec: Codec, rate_hz: int, pcm: Pcm16) -> list[Received]:
    """``pcm`` (shape (channels, n)) as chunks of CHUNK_MS, the last of which ends the stream."""
    encoder = make_encoder(codec, rate_hz, len(pcm), bitrate=12_000)
    step = rate_hz * CHUNK_MS // 1000
    starts = range(0, pcm.shape[1], step)
    packets = [tuple(encoder.encode(pcm[:, start : start + step])) for start in starts]
    return [
        Received(
            AudioChunk("s", seq, STARTED_AT_MS + CHUNK_MS * seq, codec, rate_hz, len(pcm), of, seq == len(starts) - 1),
            b"raw",
            SourcePosition("speech.audio.v1", 3, 7_000 + seq),
            STARTED_AT_MS + CHUNK_MS * seq + 150,
        )
        for seq, of in enumerate(packets)
    ]


def phone(channels: int = 1) -> list[Received]:
    """A call of mu-law at 8 kHz, whose resampler has state."""
    pcm = steady_talk(*TALK)
    return chunked(Codec.MULAW, 8_000, np.stack([pcm, pcm[::-1]][:channels]))


def opus() -> list[Received]:
    return chunked(Codec.OPUS, 16_000, steady_talk(*TALK, rate_hz=16_000)[np.newaxis])


def swapped(items: list[Received], place: int) -> list[Received]:
    """The chunk at ``place`` comes three chunks later."""
    return [*items[:place], *items[place + 1 : place + 4], items[place], *items[place + 4 :]]


def with_tenant(items: list[Received]) -> list[Received]:
    return [replace(item, chunk=replace(item.chunk, tenant="acme", language="en")) for item in items]


SESSION_STATES: Final[dict[str, tuple[Callable[[], list[Received]], int]]] = {
    "idle": (phone, 2),
    "opus-in-speech": (opus, 8),
    "held-back": (lambda: swapped(with_tenant(phone()), 5), 7),
    "early-final": (phone, 13),
    "stereo": (lambda: phone(2), 9),
    "ended": (phone, 25),
}
"""Name to the chunks of a session and after how many of them it is written down."""


def main() -> None:
    """Writes what is missing."""
    for name, (make_chunks, fed) in SESSION_STATES.items():
        chunks = make_chunks()
        session = GoldenSession(name, chunks, fed, None, []).undisturbed()
        snapshot = stored(session.snapshot())
        audio = [
            [[block.start_sample, block.samples.tobytes(), block.offset] for block in blocks]
            for blocks in session.audio_blocks()
        ]
        version = snapshot["version"]  # type: ignore[index]
        content = {"fed": fed, "snapshot": snapshot, "audio": audio, "chunks": to_plain(chunks)}
        _write(FOLDER / f"session-v{version}-{name}.json", content)
    for name, fed in TRANSCRIPT_STATES.items():
        assembler = Assembler()
        assembled(assembler, EVENTS[:fed])
        written = assembler.snapshot()
        content = {"fed": fed, "snapshot": stored(written)}
        _write(FOLDER / f"transcripts-v{written['version']}-{name}.json", content)


def _session_in(path: Path) -> GoldenSession:
    content = _read(path)
    audio = [
        [AudioBlock(start, np.frombuffer(pcm, np.int16), offset) for start, pcm, offset in blocks]
        for blocks in content["audio"]
    ]
    chunks = [from_plain(Received, item) for item in content["chunks"]]
    return GoldenSession(path.stem, chunks, content["fed"], content["snapshot"], audio)


def _write(path: Path, content: Any) -> None:
    if not path.exists():
        path.write_text(json.dumps(_to_json(content), separators=(",", ":")) + "\n")
        print("written:", path)


def _read(path: Path) -> Any:
    return _from_json(json.loads(path.read_text()))


def _to_json(plain: Any) -> Any:
    """JSON knows neither bytes nor keys that are numbers."""
    if isinstance(plain, bytes):
        return {"base64": b64encode(plain).decode()}
    if isinstance(plain, dict) and not all(isinstance(key, str) for key in plain):
        return {"pairs": [[key, _to_json(value)] for key, value in plain.items()]}
    if isinstance(plain, dict):
        return {key: _to_json(value) for key, value in plain.items()}
    return [_to_json(item) for item in plain] if isinstance(plain, list) else plain


def _from_json(found: Any) -> Any:
    if isinstance(found, dict) and found.keys() == {"base64"}:
        return b64decode(found["base64"])
    if isinstance(found, dict) and found.keys() == {"pairs"}:
        return {key: _from_json(value) for key, value in found["pairs"]}
    if isinstance(found, dict):
        return {key: _from_json(value) for key, value in found.items()}
    return [_from_json(item) for item in found] if isinstance(found, list) else found


if __name__ == "__main__":
    main()

"""The real engine and detector, loaded once, and the speech they are tried on."""

import json
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.domain.ports import DetectorFactory, Recognizer
from pipeline.domain.types import SAMPLE_RATE_HZ, Pcm
from pipeline.engines.base import EngineSettings, load_detector, load_recognizer
from pipeline.engines.catalog import MOONSHINE_TINY_EN, package_file
from pipeline.errors import ModelMissing

SPEECH = Path(__file__).parents[2].parent / "shared" / "speech" / "dev"


@dataclass(frozen=True)
class Utterance:
    """A recording and what is said in it."""

    name: str
    text: str
    audio: Pcm


@pytest.fixture(scope="session")
def moonshine() -> Recognizer:
    try:
        return load_recognizer(EngineSettings())
    except ModelMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def whisper() -> Recognizer:
    try:
        return load_recognizer(EngineSettings(recognizer="whisper"))
    except ModelMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def detectors() -> DetectorFactory:
    try:
        return load_detector(EngineSettings())
    except ModelMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def utterances() -> list[Utterance]:
    """All of the speech folder's recordings."""
    manifest = SPEECH / "manifest.jsonl"
    if not manifest.exists():
        pytest.skip("needs the speech folder ../shared/speech/dev beside the repository; see its manifest.jsonl")
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    return [Utterance(row["file"], row["text"], flac(SPEECH / row["file"])) for row in rows]


def flac(path: Path) -> Pcm:
    """16 kHz mono: shape (samples,), float32."""
    audio, rate_hz = soundfile.read(path, dtype="float32")
    assert (rate_hz, audio.ndim) == (SAMPLE_RATE_HZ, 1)
    return np.asarray(audio, np.float32)


@pytest.fixture(scope="session")
def beckett() -> Pcm:
    """Ten seconds from the model's own package."""
    return packaged("beckett.wav")


@pytest.fixture(scope="session")
def two_cities() -> Pcm:
    """44 seconds from the model's own package."""
    return packaged("two_cities.wav")


def packaged(name: str) -> Pcm:
    """A recording of the model's package, at 16 kHz by plain averaging: good enough to be understood."""
    path = package_file(MOONSHINE_TINY_EN, f"assets/{name}")
    if path is None:
        pytest.skip(f"needs {name}; pip install {MOONSHINE_TINY_EN.requirement}")
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, file.getnchannels())
        whole = samples.mean(axis=1)
        repeats = file.getframerate() // SAMPLE_RATE_HZ
    averaged = whole[: len(whole) // repeats * repeats].reshape(-1, repeats).mean(axis=1)
    return (averaged / 32768).astype(np.float32)

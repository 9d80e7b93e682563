"""Recordings with what is said in them: a manifest of one JSON object a line, with ``file`` and ``text``."""

import json
from pathlib import Path

import numpy as np

from pipeline.adapters.audio_files import pcm_blocks
from pipeline.domain.types import SAMPLE_RATE_HZ, Pcm
from pipeline.engines.evaluation import Spoken
from pipeline.errors import AudioFileError

_FULL_SCALE = np.float32(1 / 32768)


def read_manifest(path: Path) -> list[Spoken]:
    """The recordings, whose files lie beside the manifest. Raises AudioFileError."""
    rows = [(number, line) for number, line in enumerate(path.read_text().splitlines(), 1) if line.strip()]
    if not rows:
        raise AudioFileError(f"{path}: no recordings; expected one JSON object a line, with file and text")
    return [_spoken(path, number, line) for number, line in rows]


def samples_of_file(path: Path) -> Pcm:
    """The first channel: shape (samples,), dtype float32 in [-1, 1], 16 kHz. Raises AudioFileError."""
    samples = np.concatenate([block[0] for block in pcm_blocks(path, SAMPLE_RATE_HZ, 1000)])
    scaled: Pcm = samples.astype(np.float32) * _FULL_SCALE
    return scaled


def _spoken(path: Path, number: int, line: str) -> Spoken:
    try:
        row = json.loads(line)
        file, text = path.parent / row["file"], str(row["text"])
    except (ValueError, KeyError, TypeError) as exc:
        raise AudioFileError(f"{path}, line {number}: expected a JSON object with file and text: {exc!r}") from exc
    return Spoken(samples_of_file(file), text)

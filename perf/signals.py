"""Sounds in which nobody speaks, made by formula: shape (samples,), dtype int16, 16 kHz, the same in every run."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.domain.types import SAMPLE_RATE_HZ, Pcm16

FULL_SCALE: Final = 32_767
SEED: Final = 7

Sound = NDArray[np.float64]
"""Shape (samples,), full scale is 1."""


def silence(seconds: float) -> Pcm16:
    return np.zeros(_count(seconds), np.int16)


def white_noise(seconds: float, level_db: float) -> Pcm16:
    """``level_db``: root mean square below full scale."""
    return _pcm(_rng().standard_normal(_count(seconds)) * _gain(level_db))


def pink_noise(seconds: float, level_db: float) -> Pcm16:
    """Noise whose power falls by 3 dB an octave, as that of rooms and rain."""
    spectrum = np.fft.rfft(_rng().standard_normal(_count(seconds)))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, _count(seconds))
    return _pcm(noise / noise.std() * _gain(level_db))


def breathing_noise(seconds: float, level_db: float = -20.0) -> Pcm16:
    """Pink noise that swells and falls four times a second, in the rhythm of syllables."""
    swell = 0.5 - 0.5 * np.cos(2 * np.pi * 4 * _times(seconds))
    return _pcm(pink_noise(seconds, level_db) / FULL_SCALE * swell)


def tone(seconds: float, hertz: float = 440.0, level_db: float = -12.0) -> Pcm16:
    return _pcm(_sines(_times(seconds), [hertz]) * _gain(level_db))


def siren(seconds: float) -> Pcm16:
    """A tone with overtones that glides between 400 and 1200 Hz."""
    at = _times(seconds)
    phase = 2 * np.pi * (800 * at - 400 / (2 * np.pi * 0.25) * np.cos(2 * np.pi * 0.25 * at))
    return _pcm(0.2 * np.sum([np.sin(order * phase) / order for order in (1, 2, 3)], axis=0))


def fiddle(seconds: float) -> Pcm16:
    """One string, bowed: a sawtooth with vibrato, through two resonances as of a body (or a throat)."""
    at, note = _times(seconds), 0.4
    scale = np.array([196.0, 220.0, 246.9, 261.6, 293.7, 329.6, 370.0, 392.0])
    pitch = scale[_rng().integers(0, len(scale), int(seconds / note) + 1)][(at / note).astype(int)]
    phase = np.cumsum(pitch * (1 + 0.01 * np.sin(2 * np.pi * 6 * at))) / SAMPLE_RATE_HZ
    body = [
        np.exp(-(((pitch * order - 500) / 300) ** 2)) + 0.6 * np.exp(-(((pitch * order - 1500) / 500) ** 2))
        for order in range(1, 17)
    ]
    voice = np.sum([gain * np.sin(2 * np.pi * order * phase) for order, gain in enumerate(body, start=1)], axis=0)
    bow = np.minimum((at % note) / 0.06, 1) * np.minimum((note - at % note) / 0.06, 1)
    return _pcm(0.15 * voice * bow)


def hum(seconds: float) -> Pcm16:
    """Mains: 50 Hz and its odd harmonics, and a little hiss."""
    at = _times(seconds)
    mains = sum(np.sin(2 * np.pi * 50 * order * at) / order for order in (1, 3, 5, 7, 9))
    return _pcm(0.1 * mains + _rng().standard_normal(len(at)) * 0.001)


def clicks(seconds: float, every_ms: int = 250) -> Pcm16:
    """Short bursts at regular times: a clock, a keyboard, a relay."""
    burst = _rng().standard_normal(80) * np.exp(-np.arange(80) / 12)
    return _pcm(_repeated(burst * 0.5, seconds, every_ms))


def dial_tones(seconds: float) -> Pcm16:
    """A telephone's keys, 100 ms each, with as much silence between."""
    rows, columns = (697, 770, 852, 941), (1209, 1336, 1477)
    at = _times(0.1)
    keys = [np.concatenate([0.4 * _sines(at, [row, column]) / 2, 0 * at]) for row in rows for column in columns]
    return _pcm(_filled(np.concatenate(keys), seconds))


def drums(seconds: float) -> Pcm16:
    """A beat at 110 a minute: a bass drum, a snare and a hi-hat."""
    at, rng = _times(0.27), _rng()
    bass = np.sin(2 * np.pi * (50 * at + 8 * (1 - np.exp(-at * 30)))) * np.exp(-at * 14)
    snare = (0.6 * rng.standard_normal(len(at)) + 0.4 * np.sin(2 * np.pi * 180 * at)) * np.exp(-at * 22)
    hat = np.diff(rng.standard_normal(len(at)), prepend=0.0) * 0.3 * np.exp(-at * 60)
    bar = np.concatenate([bass + hat, hat, snare + hat, hat, bass + hat, bass + hat, snare + hat, hat])
    return _pcm(0.4 * _filled(bar, seconds))


def music(seconds: float) -> Pcm16:
    """Four chords under a melody, on an instrument of eight harmonics that is struck and dies away."""
    chords = [(220.0, 261.6, 329.6), (174.6, 220.0, 261.6), (130.8, 196.0, 261.6), (196.0, 246.9, 293.7)]
    melody = [
        440.0,
        523.3,
        659.3,
        523.3,
        349.2,
        440.0,
        523.3,
        440.0,
        392.0,
        523.3,
        659.3,
        784.0,
        587.3,
        493.9,
        392.0,
        493.9,
    ]
    beats = [_note(chords[number // 4], 0.5) * 0.5 + _note((pitch,), 0.5) * 0.5 for number, pitch in enumerate(melody)]
    return _pcm(0.4 * _filled(np.concatenate(beats), seconds))


SOUNDS: Final[dict[str, Callable[[float], Pcm16]]] = {
    "silence": silence,
    "white noise -60 dB": lambda seconds: white_noise(seconds, -60),
    "white noise -40 dB": lambda seconds: white_noise(seconds, -40),
    "white noise -20 dB": lambda seconds: white_noise(seconds, -20),
    "white noise -6 dB": lambda seconds: white_noise(seconds, -6),
    "pink noise -40 dB": lambda seconds: pink_noise(seconds, -40),
    "pink noise -20 dB": lambda seconds: pink_noise(seconds, -20),
    "noise in syllables": breathing_noise,
    "440 Hz": tone,
    "siren": siren,
    "mains hum": hum,
    "clicks": clicks,
    "dial tones": dial_tones,
    "drums": drums,
    "music": music,
    "fiddle": fiddle,
}


def clipped(speech: Pcm16, gain: float) -> Pcm16:
    """``speech`` through an amplifier that is so many times too loud and cannot follow."""
    return _pcm(speech / np.abs(speech.astype(np.int32)).max() * gain)


def _note(pitches: Sequence[float], seconds: float) -> Sound:
    at = _times(seconds)
    harmonics = [_sines(at, [pitch * order for pitch in pitches]) / order**1.3 for order in range(1, 9)]
    struck = np.minimum(at / 0.01, 1) * np.exp(-at * 4)
    whole: Sound = np.sum(harmonics, axis=0) / len(pitches) * struck
    return whole


def _sines(at: Sound, hertz: Sequence[float]) -> Sound:
    """The sum of sines of these pitches."""
    whole: Sound = np.sum([np.sin(2 * np.pi * pitch * at) for pitch in hertz], axis=0)
    return whole


def _repeated(burst: Sound, seconds: float, every_ms: int) -> Sound:
    period = np.zeros(SAMPLE_RATE_HZ * every_ms // 1000)
    period[: len(burst)] = burst
    return _filled(period, seconds)


def _filled(pattern: Sound, seconds: float) -> Sound:
    """The pattern again and again."""
    count = _count(seconds)
    return np.tile(pattern, -(-count // len(pattern)))[:count]


def _times(seconds: float) -> Sound:
    return np.arange(_count(seconds)) / SAMPLE_RATE_HZ


def _count(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ)


def _gain(level_db: float) -> float:
    return float(10 ** (level_db / 20))


def _rng() -> np.random.Generator:
    return np.random.default_rng(SEED)


def _pcm(sound: Sound) -> Pcm16:
    whole: Pcm16 = np.clip(np.rint(sound * FULL_SCALE), -FULL_SCALE, FULL_SCALE).astype(np.int16)
    return whole

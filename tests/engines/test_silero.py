"""The detector's probabilities depend on the audio alone: not on how it is cut, nor on a restart."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.domain.ports import DetectorFactory
from pipeline.domain.types import Pcm, Pcm16
from pipeline.engines.base import EngineSettings, make_session
from pipeline.engines.catalog import SILERO, locate
from pipeline.engines.silero import SETTLING_FRAMES, SILENCE

FRAMES = 40

several_times = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="session")
def frames(beckett: Pcm) -> Pcm16:
    """Silence, speech and silence: (n, 512)."""
    audio = np.concatenate([np.zeros(512 * 8), beckett, np.zeros(512 * 8)])
    return (audio[: len(audio) // 512 * 512] * 32767).astype(np.int16).reshape(-1, 512)


@several_times
@given(st.integers(0, FRAMES))
def test_a_restored_detector_goes_on_exactly(detectors: DetectorFactory, frames: Pcm16, cut: int) -> None:
    undisturbed = detectors().probabilities(frames[:FRAMES])
    before = detectors()
    first = before.probabilities(frames[:cut])
    after = detectors(before.snapshot())
    assert first + after.probabilities(frames[cut:FRAMES]) == undisturbed
    assert after.snapshot() != before.snapshot() or cut == FRAMES


@several_times
@given(st.lists(st.integers(0, 9), max_size=8))
def test_grouping_frames_changes_no_bit(detectors: DetectorFactory, frames: Pcm16, sizes: list[int]) -> None:
    grouped, one_by_one, at = detectors(), detectors(), 0
    for size in sizes:
        group = frames[at : at + size]
        at += size
        together = grouped.probabilities(group)
        assert together == [probability for frame in group for probability in one_by_one.probabilities(frame[None])]
    assert grouped.snapshot() == one_by_one.snapshot()


def silence(count: int, level: int = SILENCE) -> Pcm16:
    """Frames of dither up to ``level``: (count, 512)."""
    return np.random.default_rng(5).integers(-level, level + 1, (count, 512)).astype(np.int16)


def test_silence_that_goes_on_is_not_given_to_the_network(detectors: DetectorFactory) -> None:
    detector = detectors()
    heard = detector.probabilities(silence(SETTLING_FRAMES))
    state = detector.snapshot()["state"]
    assert min(heard) > 0
    assert detector.probabilities(silence(50)) == [0.0] * 50
    assert detector.snapshot()["state"] == state


def test_one_sample_above_silence_wakes_the_network(detectors: DetectorFactory) -> None:
    frames = silence(SETTLING_FRAMES + 3)
    frames[-1, 7] = -SILENCE - 1
    *_, skipped, heard = detectors().probabilities(frames)
    assert (skipped, heard > 0) == (0.0, True)


@several_times
@given(st.lists(st.integers(1, 9), min_size=3, max_size=8), st.integers(0, 40))
def test_silence_that_goes_on_depends_on_no_grouping_and_no_restart(
    detectors: DetectorFactory, frames: Pcm16, sizes: list[int], cut: int
) -> None:
    audio = np.concatenate([frames[30:34], silence(25), frames[30:50]])
    undisturbed = detectors()
    one_by_one = [probability for frame in audio for probability in undisturbed.probabilities(frame[None])]
    restarted = detectors()
    before = restarted.probabilities(audio[:cut])
    restarted, at = detectors(restarted.snapshot()), cut
    for size in [*sizes, len(audio)]:
        before += restarted.probabilities(audio[at : at + size])
        at += size
    assert before == one_by_one


def test_speech_after_a_long_silence_is_heard_as_soon_as_without_it(detectors: DetectorFactory, frames: Pcm16) -> None:
    """The state of before the silence hears an onset no later than a network that has heard all of it."""
    onset = detectors().probabilities(frames)
    after = detectors().probabilities(np.concatenate([frames[:8], silence(200, 0), frames]))[208:]
    assert first_above(after, 0.5) <= first_above(onset, 0.5)


def first_above(probabilities: list[float], limit: float) -> int:
    return next(at for at, probability in enumerate(probabilities) if probability >= limit)


def test_what_the_first_releases_kept_of_a_detector_goes_on(detectors: DetectorFactory, frames: Pcm16) -> None:
    """They did not count silence."""
    undisturbed = detectors()
    undisturbed.probabilities(frames[20:30])
    saved = {name: value for name, value in undisturbed.snapshot().items() if name != "silent_frames"}
    assert detectors(saved).probabilities(frames[30:40]) == undisturbed.probabilities(frames[30:40])


def test_channels_do_not_hear_one_another(detectors: DetectorFactory, frames: Pcm16) -> None:
    left, right, alone = detectors(), detectors(), detectors()
    for at in range(0, FRAMES, 4):
        expected = alone.probabilities(frames[at : at + 4])
        right.probabilities(frames[::-1][at : at + 4])
        assert left.probabilities(frames[at : at + 4]) == expected


def test_speech_is_told_from_silence(detectors: DetectorFactory, frames: Pcm16) -> None:
    probabilities = detectors().probabilities(frames)
    assert max(probabilities[:8]) < 0.3
    assert max(probabilities[8:-8]) > 0.95
    assert np.mean(probabilities[8:-8]) > 0.4
    assert min(probabilities) >= 0
    assert max(probabilities) <= 1


def test_it_agrees_with_the_shipped_graph(detectors: DetectorFactory, frames: Pcm16) -> None:
    shipped = make_session(str(locate(SILERO)["silero_vad_16k_op15.onnx"]), EngineSettings())
    state, audio = np.zeros((2, 1, 128), np.float32), np.zeros((1, 576), np.float32)
    expected = []
    for frame in frames:
        audio[0] = np.concatenate([audio[0, -64:], frame.astype(np.float32) / 32768])
        probability, state = shipped.run(None, {"input": audio, "state": state, "sr": np.array(16_000)})
        expected.append(float(probability[0, 0]))
    assert detectors().probabilities(frames) == pytest.approx(expected, abs=1e-4)


def test_a_foreign_snapshot_is_refused(detectors: DetectorFactory) -> None:
    with pytest.raises(ValueError, match="holds bytes at 'context', not list"):
        detectors({"context": [0.0], "state": b""})

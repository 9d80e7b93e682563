"""What do the engine and the detector cost, and does a text ever depend on its batch or its draft?

Times are CPU time of the one thread that runs the model, so that other work on the machine moves them little; see
docs/engine.md for results.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import click
import numpy as np
import soundfile

from perf.wer import recordings
from pipeline.domain.cadence import CadenceSettings, Load
from pipeline.domain.ports import DetectorFactory, Recognizer
from pipeline.domain.scoring import pooled, word_errors
from pipeline.domain.types import SAMPLE_RATE_HZ, SAMPLES_PER_MS, Hypothesis, Pcm
from pipeline.engines.base import EngineSettings, load_detector, load_recognizer

T = TypeVar("T")

PIECE_S: Final = 5
BATCH_SIZES: Final = (1, 2, 4, 8)
GROUPS: Final = (1, 3, 10, 64)
FRAMES: Final = 1920
ROUNDS: Final = 3


@click.command()
@click.argument("folder", envvar="VOXFLOW_SPEECH", default="../shared/speech/dev", type=click.Path(path_type=Path))
def main(folder: Path) -> None:
    """Measure load time, error rate, independence of the batch, speed and the detector over FOLDER."""
    spoken = recordings(folder)
    audio = [np.asarray(soundfile.read(one.path, dtype="float32")[0], np.float32) for one in spoken]
    started_s = time.perf_counter()
    recognizer = load_recognizer(EngineSettings())
    click.echo(f"load: {time.perf_counter() - started_s:.2f} s")
    recognizer.warm_up()
    say_errors(recognizer, [one.reference for one in spoken], audio)
    say_changes(recognizer, audio)
    say_drafts(recognizer, audio)
    say_speed(recognizer, audio)
    say_detector(load_detector(EngineSettings()), np.concatenate(audio))


def say_errors(recognizer: Recognizer, references: Sequence[str], audio: Sequence[Pcm]) -> None:
    spent_s, texts = cpu_s(lambda: [recognizer.recognize([one])[0].text for one in audio])
    errors = pooled([word_errors(reference, text) for reference, text in zip(references, texts, strict=True)])
    seconds = sum(map(len, audio)) / SAMPLE_RATE_HZ
    click.echo(f"whole utterances, one by one: {seconds:.0f} s, {seconds / spent_s:.1f} audio-seconds a core-second")
    click.echo(f"word error rate: {100 * errors.rate:.2f} % of {errors.reference_words} words")


def say_changes(recognizer: Recognizer, audio: Sequence[Pcm]) -> None:
    """Every recording padded to its length's class and batched with all others of that class, and cut to pieces."""
    changed = {"texts": 0, "hypotheses": 0, "of": 0}
    for stretches in lengths_of(recognizer, [*audio, *pieces(audio)]).values():
        alone = [recognizer.recognize([one])[0] for one in stretches]
        for first in range(0, len(stretches), 8):
            together = recognizer.recognize(stretches[first : first + 8])
            compare(alone[first : first + 8], together, changed)
    click.echo(f"alone against batches of up to 8: {changed}")


def say_drafts(recognizer: Recognizer, audio: Sequence[Pcm]) -> None:
    """Every utterance as a session asks for it, partial by partial, plain and with the hypothesis before as a draft."""
    plain_s = drafted_s = 0.0
    changed = {"texts": 0, "hypotheses": 0, "of": 0}
    for one in audio:
        before: tuple[int, ...] = ()
        for stretch in (one[:samples] for samples in asked_samples(len(one))):
            spent_s, plain = cpu_s(lambda stretch=stretch: recognizer.recognize([stretch]))
            plain_s += spent_s
            spent_s, drafted = cpu_s(lambda stretch=stretch, before=before: recognizer.recognize([stretch], [before]))
            drafted_s += spent_s
            compare(plain, drafted, changed)
            before = drafted[0].tokens
    click.echo(f"with a draft against without: {changed}; {plain_s:.1f} s without, {drafted_s:.1f} s with")


def asked_samples(whole: int) -> list[int]:
    """The lengths at which an utterance of so many samples is recognised while engines are busy, the final one last."""
    pace = CadenceSettings().paces[Load.BUSY]
    lengths = [pace.next_ms(0) * SAMPLES_PER_MS]
    while lengths[-1] < whole:
        lengths.append(pace.next_ms(lengths[-1] // SAMPLES_PER_MS) * SAMPLES_PER_MS)
    return [*lengths[:-1], whole]


def compare(alone: Sequence[Hypothesis], together: Sequence[Hypothesis], changed: dict[str, int]) -> None:
    for one, other in zip(alone, together, strict=True):
        changed["of"] += 1
        changed["texts"] += one.text != other.text
        changed["hypotheses"] += one != other or one.tokens != other.tokens


def say_speed(recognizer: Recognizer, audio: Sequence[Pcm]) -> None:
    cut = pieces(audio)[:64]
    for size in BATCH_SIZES:
        rounds = [cpu_s(lambda size=size: in_batches(recognizer, cut, size))[0] for _ in range(ROUNDS)]
        click.echo(
            f"pieces of {PIECE_S} s in batches of {size}: {len(cut) * PIECE_S / min(rounds):.1f} s a core-second"
        )


def say_detector(detectors: DetectorFactory, audio: Pcm) -> None:
    frames = (audio[: FRAMES * 512].reshape(FRAMES, 512) * 32767).astype(np.int16)
    for size in GROUPS:
        groups = [frames[first : first + size] for first in range(0, FRAMES, size)]
        spent_s = min(cpu_s(lambda groups=groups: [*map(detectors().probabilities, groups)])[0] for _ in range(ROUNDS))
        click.echo(f"detector, {size} frames a call: {spent_s / FRAMES * 1e6:.0f} us a frame")


def in_batches(recognizer: Recognizer, cut: Sequence[Pcm], size: int) -> list[Hypothesis]:
    return [text for first in range(0, len(cut), size) for text in recognizer.recognize(cut[first : first + size])]


def pieces(audio: Sequence[Pcm]) -> list[Pcm]:
    samples = PIECE_S * SAMPLE_RATE_HZ
    return [one[at : at + samples] for one in audio for at in range(0, len(one) - samples + 1, samples)]


def lengths_of(recognizer: Recognizer, audio: Sequence[Pcm]) -> dict[int, list[Pcm]]:
    sorted_by_length: dict[int, list[Pcm]] = defaultdict(list)
    for one in audio:
        sorted_by_length[recognizer.canonical_samples(len(one))].append(one)
    return sorted_by_length


def cpu_s(work: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds of this thread, in which a session of one thread runs."""
    started_s = time.thread_time()
    done = work()
    return time.thread_time() - started_s, done


if __name__ == "__main__":
    main()

"""The audio of one channel that is still needed, and the journal of what changed."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.retained_audio import AudioBlock, AudioJournal, RetainedAudio, quietest_sample
from pipeline.domain.types import Pcm16
from tests.domain.helpers import journaled, talk


@dataclass(frozen=True)
class Append:
    samples: int


@dataclass(frozen=True)
class ForgetBefore:
    """As long before the end as said."""

    samples: int


@dataclass(frozen=True)
class Skip:
    samples: int


steps = st.lists(
    st.one_of(
        st.builds(Append, st.integers(0, 12)),
        st.builds(ForgetBefore, st.integers(0, 30)),
        st.builds(Skip, st.integers(0, 9)),
    ),
    max_size=40,
)


def counting(start: int, count: int) -> Pcm16:
    """Audio whose every sample says where it stands."""
    return np.arange(start, start + count, dtype=np.int16)


def take(audio: RetainedAudio, step: Append | ForgetBefore | Skip) -> None:
    match step:
        case Append(samples):
            audio.append(counting(audio.end_sample, samples), offset=audio.end_sample)
        case ForgetBefore(samples):
            audio.forget_before(max(audio.start_sample, audio.end_sample - samples))
        case Skip(samples):
            audio.skip_to(audio.end_sample + samples)


def whole(audio: RetainedAudio) -> list[int]:
    return list(audio.stretch(audio.start_sample, audio.end_sample))


def two_blocks() -> RetainedAudio:
    audio = RetainedAudio()
    audio.append(counting(0, 10), offset=70)
    audio.append(counting(10, 10), offset=71)
    return audio


def test_a_stretch_goes_across_blocks() -> None:
    assert two_blocks().stretch(8, 13).tolist() == [8, 9, 10, 11, 12]


def test_an_empty_stretch_is_empty_audio() -> None:
    empty = two_blocks().stretch(20, 20)
    assert empty.shape == (0,)
    assert empty.dtype == np.int16


@pytest.mark.parametrize(("start", "end"), [(0, 21), (-1, 5), (9, 8)])
def test_a_stretch_that_is_not_retained_is_an_error(start: int, end: int) -> None:
    with pytest.raises(ValueError, match=f"samples {start} to {end} wanted, 0 to 20 retained"):
        two_blocks().stretch(start, end)


def test_empty_audio_leaves_nothing_behind() -> None:
    audio = RetainedAudio()
    audio.append(counting(0, 0), offset=70)
    assert audio.journal() == AudioJournal((), replaces=False)


def test_each_sample_knows_the_offset_of_the_chunk_that_brought_it() -> None:
    assert [two_blocks().offset_at(sample) for sample in (0, 9, 10, 19)] == [70, 70, 71, 71]


def test_the_offset_of_a_sample_past_the_end_is_that_of_the_last_chunk() -> None:
    assert two_blocks().offset_at(20) == 71


def test_without_audio_there_is_no_offset() -> None:
    assert RetainedAudio().offset_at(0) == -1


def test_skipping_goes_on_at_a_later_place() -> None:
    audio = two_blocks()
    audio.skip_to(100)
    audio.append(counting(100, 3), offset=72)
    assert (audio.start_sample, audio.end_sample, whole(audio)) == (100, 103, [100, 101, 102])


def test_the_journal_tells_only_what_came_since_it_was_last_read() -> None:
    audio = two_blocks()
    audio.journal()
    audio.append(counting(20, 5), offset=72)
    (block,) = audio.journal().blocks
    assert (block.start_sample, block.offset) == (20, 72)
    assert audio.journal() == AudioJournal((), replaces=False)


def test_only_whole_blocks_are_forgotten() -> None:
    audio = two_blocks()
    audio.forget_before(9)
    assert audio.start_sample == 0
    audio.forget_before(19)
    assert audio.start_sample == 10


def test_forgetting_waits_until_it_lets_go_of_half_as_much_as_stays() -> None:
    audio = RetainedAudio()
    for sample in range(30):
        audio.append(counting(sample, 1), offset=sample)
    audio.forget_before(9)
    assert audio.start_sample == 0
    audio.forget_before(10)
    assert audio.start_sample == 10


def test_all_audio_may_be_forgotten() -> None:
    audio = two_blocks()
    audio.forget_before(20)
    assert (audio.start_sample, audio.end_sample) == (20, 20)


@given(steps)
def test_a_stretch_is_what_was_appended(steps: list[Append | ForgetBefore | Skip]) -> None:
    audio = RetainedAudio()
    for step in steps:
        take(audio, step)
        assert whole(audio) == list(range(audio.start_sample, audio.end_sample))


@given(steps)
def test_what_is_needed_is_never_forgotten(steps: list[Append | ForgetBefore | Skip]) -> None:
    audio = RetainedAudio()
    for step in steps:
        before = audio.start_sample, audio.end_sample
        take(audio, step)
        if isinstance(step, ForgetBefore):
            needed = max(before[0], before[1] - step.samples)
            assert audio.start_sample <= needed
            assert audio.end_sample == before[1]


@given(st.lists(st.tuples(steps, st.booleans()), max_size=8))
def test_the_journal_rebuilds_the_audio_whenever_it_is_read(
    rounds: list[tuple[list[Append | ForgetBefore | Skip], bool]],
) -> None:
    audio = RetainedAudio()
    kept: list[tuple[int, bytes, int]] = []
    for round_steps, restores in rounds:
        for step in round_steps:
            take(audio, step)
        kept = journaled(kept, audio.journal())
        blocks = tuple(AudioBlock(start, np.frombuffer(pcm, np.int16), offset) for start, pcm, offset in kept)
        rebuilt = RetainedAudio(audio.start_sample, blocks)
        assert (rebuilt.start_sample, whole(rebuilt)) == (audio.start_sample, whole(audio))
        assert [rebuilt.offset_at(sample) for sample in range(40)] == [audio.offset_at(sample) for sample in range(40)]
        audio = rebuilt if restores else audio


@pytest.mark.parametrize("block_samples", [1, 7, 64, 1_000])
def test_memory_is_at_most_half_as_much_again_as_what_is_needed_or_a_block_more(block_samples: int) -> None:
    audio, needed = RetainedAudio(), 320
    for number in range(5_000 // block_samples):
        audio.append(np.zeros(block_samples, np.int16), offset=number)
        audio.forget_before(audio.end_sample - needed)
        assert audio.end_sample - audio.start_sample < needed + max(needed // 2, block_samples)


def test_the_quietest_place_is_within_the_silence_between_two_words() -> None:
    audio = talk("speech 500", "silence 100", "speech 400")
    assert 500 * 16 <= quietest_sample(audio) <= 600 * 16


def test_the_quietest_place_of_even_audio_is_the_first() -> None:
    assert quietest_sample(np.ones(16_000, np.int16)) == 32 * 16


def test_the_loudest_samples_do_not_overflow() -> None:
    audio = np.full(16_000, -32_768, np.int16)
    audio[8_000:10_000] = 0
    assert 8_000 <= quietest_sample(audio) <= 10_000


@pytest.mark.parametrize("samples", [0, 1, 1_023])
def test_audio_shorter_than_a_window_is_cut_in_the_middle(samples: int) -> None:
    assert quietest_sample(np.zeros(samples, np.int16)) == samples // 2

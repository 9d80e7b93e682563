"""Audio files become the chunks a live producer would have sent."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from pipeline.adapters.audio_files import (
    ChunkPlan,
    PcmBlock,
    chunks_of_file,
    inspect_audio,
    pcm_blocks,
    sample_rate_for,
    with_last,
)
from pipeline.codecs.decoders import make_decoder
from pipeline.domain.types import Codec
from pipeline.errors import AudioFileError

PCM = ChunkPlan(Codec.PCM_S16LE, chunk_ms=100)


def write_tone(path: Path, rate_hz: int = 16_000, seconds: float = 1.05, channels: int = 1) -> PcmBlock:
    """A 440 Hz tone, louder in the first channel; shape (samples, channels), dtype int16."""
    wave = np.sin(2 * np.pi * 440 * np.arange(round(rate_hz * seconds)) / rate_hz) * 12_000
    samples: PcmBlock = np.stack([wave / (1 + channel) for channel in range(channels)], axis=1).astype(np.int16)
    soundfile.write(path, samples, rate_hz)
    return samples


def test_chunks_count_from_zero_and_only_the_last_ends_the_session(tmp_path: Path) -> None:
    write_tone(tmp_path / "tone.wav")
    chunks = list(chunks_of_file(tmp_path / "tone.wav", "s", PCM, start_at_ms=5_000))
    assert [chunk.seq for chunk in chunks] == list(range(11))
    assert [chunk.captured_at_ms for chunk in chunks] == list(range(5_000, 6_001, 100))
    assert [chunk.end_of_stream for chunk in chunks] == [False] * 10 + [True]


def test_sixteen_bit_samples_arrive_unchanged(tmp_path: Path) -> None:
    written = write_tone(tmp_path / "tone.flac", rate_hz=44_100, channels=2)
    packets = [packet for chunk in chunks_of_file(tmp_path / "tone.flac", "s", PCM, 0) for packet in chunk.packets]
    sent = np.frombuffer(b"".join(packets), "<i2").reshape(-1, 2)
    assert np.array_equal(sent[: len(written)], written)
    assert not sent[len(written) :].any()


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_every_kind_of_file_is_played_to_its_end(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tone.{suffix}"
    write_tone(path, rate_hz=44_100, seconds=2)
    blocks = list(pcm_blocks(path, 16_000, 100))
    assert sum(block.shape[1] for block in blocks) / 16_000 == pytest.approx(2, abs=0.1)
    assert max(np.abs(block).max() for block in blocks) > 9_000


@pytest.mark.parametrize("codec", list(Codec))
def test_every_codec_is_decoded_to_the_tone_that_was_played(tmp_path: Path, codec: Codec) -> None:
    write_tone(tmp_path / "tone.wav", rate_hz=22_050)
    chunks = list(chunks_of_file(tmp_path / "tone.wav", "s", ChunkPlan(codec), 0))
    decoder = make_decoder(codec, chunks[0].sample_rate_hz, 1)
    heard = np.concatenate([decoder.decode(chunk.packets) for chunk in chunks], axis=1)[0]
    peak_hz = np.argmax(np.abs(np.fft.rfft(heard[:16_000]))) * 16_000 / 16_000
    assert peak_hz == pytest.approx(440, abs=2)


@given(st.integers(1, 60_000), st.sampled_from([20, 40, 100, 1000]))
def test_no_sample_is_lost_or_made_up_whatever_the_length(
    tmp_path_factory: pytest.TempPathFactory, samples: int, block_ms: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "ramp.wav"
    written = (np.arange(samples) % 30_000).astype(np.int16)
    soundfile.write(path, written, 11_025)
    blocks = list(pcm_blocks(path, 11_025, block_ms))
    assert np.array_equal(np.concatenate(blocks, axis=1)[0], written)
    assert {block.shape[1] for block in blocks[:-1]} <= {11_025 * block_ms // 1000, 11_025 * block_ms // 1000 + 1}


def test_rates_a_codec_does_not_take_go_up_to_the_next_it_takes() -> None:
    assert sample_rate_for(Codec.OPUS, 44_100) == 48_000
    assert sample_rate_for(Codec.OPUS, 22_050) == 24_000
    assert sample_rate_for(Codec.MULAW, 44_100) == 16_000
    assert sample_rate_for(Codec.PCM_S16LE, 44_100) == 44_100
    assert sample_rate_for(Codec.FLAC, 96_000) == 48_000


def test_a_file_tells_its_length(tmp_path: Path) -> None:
    write_tone(tmp_path / "tone.wav", seconds=1.5)
    assert inspect_audio(tmp_path / "tone.wav").duration_ms == 1_500


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match=r"nowhere\.wav: no such file"):
        inspect_audio(tmp_path / "nowhere.wav")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="not a file"):
        inspect_audio(tmp_path)


def test_text_is_no_audio(tmp_path: Path) -> None:
    (tmp_path / "notes.wav").write_text("no samples here")
    with pytest.raises(AudioFileError, match=r"notes\.wav: not an audio file .* can be read"):
        inspect_audio(tmp_path / "notes.wav")


def test_a_header_without_samples_is_no_audio(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.int16), 16_000)
    with pytest.raises(AudioFileError, match="holds no audio"):
        inspect_audio(tmp_path / "empty.wav")


def test_surround_sound_is_refused_with_the_cure(tmp_path: Path) -> None:
    write_tone(tmp_path / "surround.wav", channels=6)
    with pytest.raises(AudioFileError, match=r"6 channels.*mix it down"):
        inspect_audio(tmp_path / "surround.wav")


def test_chunks_that_would_split_a_packet_are_refused() -> None:
    with pytest.raises(ValueError, match="30 ms: choose a multiple of 20"):
        ChunkPlan(chunk_ms=30)


def test_the_last_item_is_known_even_if_it_is_the_only_one() -> None:
    assert list(with_last("abc")) == [("a", False), ("b", False), ("c", True)]
    assert list(with_last("a")) == [("a", True)]
    assert list(with_last("")) == []

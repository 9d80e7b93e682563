"""Opus: seams nobody hears, bad packets that do no harm, snapshots that stay small."""

import sys
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codecs import opus
from pipeline.codecs.encoders import make_encoder
from pipeline.codecs.opus import OpusDecoder
from pipeline.domain.types import Codec
from pipeline.errors import SetupError, UndecodablePacket
from tests.codecs.audio import chunks, decode_all, packets, snr_db, speech

# Speech coding (SILK), both (hybrid), and music coding (CELT), by rate and bit rate.
MODES = pytest.mark.parametrize(
    ("rate_hz", "bitrate", "application"), [(8000, 12000, "voip"), (48000, 32000, "voip"), (48000, 64000, "audio")]
)


def encoded(rate_hz: int, bitrate: int, application: str, seconds: float = 6.0) -> list[bytes]:
    encoder = make_encoder(Codec.OPUS, rate_hz, 1, bitrate, application)
    return encoder.encode(speech(rate_hz, 1, seconds)) + encoder.flush()


def snapshot_bytes(decoder: OpusDecoder) -> int:
    kept = decoder.snapshot()["packets"]
    assert isinstance(kept, list)
    return sum(len(packet) for packet in kept if isinstance(packet, bytes))


@MODES
def test_new_epochs_cannot_be_heard(
    rate_hz: int, bitrate: int, application: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against one continuous decoder: 40 dB over everything, 30 dB in the 100 ms after each seam."""
    fed = chunks(encoded(rate_hz, bitrate, application))
    ours = decode_all(OpusDecoder(1), fed)[0]
    monkeypatch.setattr(opus, "EPOCH_SAMPLES", sys.maxsize)
    continuous = decode_all(OpusDecoder(1), fed)[0]
    assert snr_db(continuous, ours) > 40
    for seam in range(16000, len(ours) - 1600, 16000):
        assert snr_db(continuous[seam : seam + 1600], ours[seam : seam + 1600]) > 30


def test_samples_are_those_that_were_encoded() -> None:
    """Decoded speech is the speech, 6.5 ms late: libopus's own look-ahead, the same in every decoder."""
    original = speech(16000, 1, 6.0)[0]
    decoded = decode_all(OpusDecoder(1), chunks(encoded(16000, 64000, "audio")))[0]
    assert snr_db(original, decoded[104:]) > 10


def test_two_channels_stay_apart() -> None:
    """Left alone speaks: the right row is quiet."""
    audio = speech(48000, 2).copy()
    audio[1] = 0
    encoder = make_encoder(Codec.OPUS, 48000, 2)
    left, right = decode_all(OpusDecoder(2), chunks(encoder.encode(audio)))
    assert np.abs(right).max() < np.abs(left).max() / 100


@pytest.mark.parametrize(
    "bad",
    [b"", b"\xff" * 40, b"\x03", b"\x7b\xff", bytes([0x0B, 0xBF]) + bytes(9000)],
    ids=["empty", "garbage", "cut after its first byte", "cut within its lengths", "all padding"],
)
def test_bad_packet_is_refused_with_its_size(bad: bytes) -> None:
    """It goes to the dead letters; what comes next decodes."""
    decoder = OpusDecoder(1)
    with pytest.raises(UndecodablePacket, match=f"{len(bad)} bytes"):
        decoder.decode([bad])
    assert decoder.decode(packets(Codec.OPUS, 48000, 1)[:5]).shape == (1, 1600)


@settings(max_examples=60, deadline=None)
@given(bad=st.lists(st.binary(max_size=300), min_size=1, max_size=4), at=st.integers(0, 60))
def test_arbitrary_packets_decode_or_are_refused_and_restore_alike(bad: list[bytes], at: int) -> None:
    """Noise either counts as audio or not at all; either way a restored decoder goes on identically."""
    good = packets(Codec.OPUS, 48000, 1)
    decoder = OpusDecoder(1)
    decode_all(decoder, chunks(good[:at], 5) or [[]])
    _try_to_decode(decoder, bad)
    restored = OpusDecoder(1, decoder.snapshot())
    assert np.array_equal(decode_all(restored, chunks(good[at:], 9)), decode_all(decoder, chunks(good[at:], 9)))


def _try_to_decode(decoder: OpusDecoder, packets_fed: Sequence[bytes]) -> None:
    try:
        decoder.decode(packets_fed)
    except UndecodablePacket:
        return


def test_few_bytes_cannot_swell_to_minutes_of_audio() -> None:
    """A packet of one byte is 60 ms of comfort noise: 17 of them are too much for a chunk."""
    decoder = OpusDecoder(1)
    silence = bytes([0x18])
    assert decoder.decode([silence] * 16).shape == (1, 960 * 16)
    with pytest.raises(UndecodablePacket, match="17 Opus packets hold 1020 ms"):
        decoder.decode([silence] * 17)


def test_snapshot_at_32_kbit_is_below_6_kilobytes() -> None:
    """One epoch and its priming."""
    decoder, sizes = OpusDecoder(1), []
    for chunk in chunks(encoded(48000, 32000, "voip")):
        decoder.decode(chunk)
        sizes.append(snapshot_bytes(decoder))
    assert max(sizes) < 6000


def test_snapshot_stays_below_64_kilobytes_at_the_highest_bit_rate() -> None:
    """Epochs end early when their packets are large, and restoring still works."""
    encoder = make_encoder(Codec.OPUS, 48000, 2, 255_000, "audio")
    noise = np.random.default_rng(1).integers(-20000, 20000, (2, 48000 * 3), dtype=np.int16)
    decoder, sizes = OpusDecoder(2), []
    for chunk in chunks(encoder.encode(noise)):
        restored = OpusDecoder(2, decoder.snapshot())
        assert np.array_equal(restored.decode(chunk), decoder.decode(chunk))
        sizes.append(snapshot_bytes(decoder))
    assert 30_000 < max(sizes) < 64_000


def test_missing_library_is_told_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the package to install."""
    monkeypatch.setitem(sys.modules, "opuslib.api.ctl", None)
    opus.opus_library.cache_clear()
    with pytest.raises(SetupError, match="apt-get install libopus0"):
        opus.opus_library()

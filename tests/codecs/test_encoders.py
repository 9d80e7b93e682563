"""Encoders for producers: frames of 20 ms, whatever the pieces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codecs.decoders import make_decoder
from pipeline.codecs.encoders import AudioEncoder, make_encoder
from pipeline.domain.types import Codec, Pcm16
from pipeline.errors import InvalidChunk, SetupError
from tests.codecs.audio import FORMATS, packets, speech


@pytest.mark.parametrize(("codec", "rate_hz"), FORMATS)
@settings(max_examples=5, deadline=None)
@given(step=st.integers(50, 20_000))
def test_pieces_of_any_size_give_the_same_packets(codec: Codec, rate_hz: int, step: int) -> None:
    """What does not fill a frame waits for the next piece."""
    audio = speech(rate_hz, 2, 0.5)
    encoder = make_encoder(codec, rate_hz, 2)
    made = [packet for at in range(0, audio.shape[1], step) for packet in encoder.encode(audio[:, at : at + step])]
    assert made + encoder.flush() == list(packets(codec, rate_hz, 2, 0.5))


@pytest.mark.parametrize(("codec", "rate_hz"), FORMATS)
def test_flush_pads_the_last_frame_and_then_has_nothing(codec: Codec, rate_hz: int) -> None:
    """A single sample becomes one packet of 20 ms; a second flush none."""
    encoder = make_encoder(codec, rate_hz, 1)
    assert encoder.flush() == []
    assert _packets_of(encoder, np.ones((1, 1), np.int16)) == 1
    assert encoder.flush() == []


def _packets_of(encoder: AudioEncoder, pcm: Pcm16) -> int:
    return len(encoder.encode(pcm)) + len(encoder.flush())


def test_bitrate_is_kept() -> None:
    """Half the bit rate is about half the bytes."""
    sizes = [sum(map(len, make_encoder(Codec.OPUS, 48000, 1, rate).encode(speech(48000)))) for rate in (16000, 32000)]
    assert sizes[0] * 1.5 < sizes[1] < sizes[0] * 2.5
    assert sizes[1] == pytest.approx(32000 / 8 * 2.5, rel=0.25)


def test_wrong_settings_are_named() -> None:
    """Rate and application, each with what is accepted."""
    with pytest.raises(InvalidChunk, match="accepted are 8000, 16000"):
        make_encoder(Codec.MULAW, 44100, 1)
    with pytest.raises(SetupError, match=r"'radio'.*voip"):
        make_encoder(Codec.OPUS, 48000, 1, application="radio")


def test_every_packet_can_be_decoded_at_once() -> None:
    """Encoders and decoders agree on every format."""
    for codec, rate_hz in FORMATS:
        assert make_decoder(codec, rate_hz, 1).decode(packets(codec, rate_hz, 1, 0.5)[:5]).shape[1] > 1500

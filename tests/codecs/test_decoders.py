"""The AudioDecoder contract, over every codec, one and two channels."""

import json
import subprocess
import sys

import numpy as np
import pytest

from pipeline.codecs.decoders import make_decoder
from pipeline.domain.types import Codec
from pipeline.errors import InvalidChunk, UndecodablePacket, UnknownCodec
from tests.codecs.audio import FORMATS, chunks, decode_all, packets, speech

EVERY_FORMAT = pytest.mark.parametrize(
    ("codec", "rate_hz", "channels"), [(codec, rate, channels) for codec, rate in FORMATS for channels in (1, 2)]
)

# What decodes to nothing sensible, for each codec. PCM and G.711 stereo frames can only be cut.
GARBAGE = {Codec.OPUS: b"\xff" * 40, Codec.FLAC: b"fLaC" + b"\x81" * 60}


@EVERY_FORMAT
def test_output_is_as_long_as_the_audio_fed(codec: Codec, rate_hz: int, channels: int) -> None:
    """One row a channel, 16 samples a millisecond, at most the filter's 6 ms short."""
    fed = packets(codec, rate_hz, channels)
    out = decode_all(make_decoder(codec, rate_hz, channels), chunks(fed))
    expected = len(fed) * (rate_hz * 20 // 1000) * 16000 / rate_hz
    assert out.dtype == np.int16
    assert out.shape[0] == channels
    assert 0 <= expected - out.shape[1] <= 6 * 16


@EVERY_FORMAT
def test_cutting_the_stream_differently_changes_nothing(codec: Codec, rate_hz: int, channels: int) -> None:
    """Chunks of 1, 7 and 50 packets give the same samples."""
    fed = packets(codec, rate_hz, channels)
    whole, *others = (decode_all(make_decoder(codec, rate_hz, channels), chunks(fed, size)) for size in (50, 7, 1))
    for other in others:
        assert np.array_equal(whole, other)


@EVERY_FORMAT
def test_restored_anywhere_it_continues_as_if_undisturbed(codec: Codec, rate_hz: int, channels: int) -> None:
    """A decoder made from the snapshot before each chunk gives that chunk's samples and the next snapshot."""
    decoder = make_decoder(codec, rate_hz, channels)
    for chunk in chunks(packets(codec, rate_hz, channels), 7):
        restored = make_decoder(codec, rate_hz, channels, decoder.snapshot())
        assert np.array_equal(restored.decode(chunk), decoder.decode(chunk))
        assert restored.snapshot() == decoder.snapshot()


@EVERY_FORMAT
def test_restored_once_it_stays_identical_to_the_end(codec: Codec, rate_hz: int, channels: int) -> None:
    """No difference appears later, at a following epoch."""
    cut = chunks(packets(codec, rate_hz, channels))
    decoder = make_decoder(codec, rate_hz, channels)
    decode_all(decoder, cut[:7])
    restored = make_decoder(codec, rate_hz, channels, decoder.snapshot())
    assert np.array_equal(decode_all(restored, cut[7:]), decode_all(decoder, cut[7:]))


@EVERY_FORMAT
def test_gap_becomes_silence_of_exactly_its_length(codec: Codec, rate_hz: int, channels: int) -> None:
    """What follows the filter's tail is zero, and the snapshot covers the gap."""
    cut = chunks(packets(codec, rate_hz, channels))
    decoder = make_decoder(codec, rate_hz, channels)
    decode_all(decoder, cut[:6])
    gap = decoder.conceal(137)
    assert gap.shape == (channels, 137 * 16)
    assert not gap[:, 12 * 16 :].any()
    restored = make_decoder(codec, rate_hz, channels, decoder.snapshot())
    assert np.array_equal(decode_all(restored, cut[6:]), decode_all(decoder, cut[6:]))


@EVERY_FORMAT
def test_refused_chunk_leaves_the_decoder_as_it_was(codec: Codec, rate_hz: int, channels: int) -> None:
    """Good packets before the bad one are not taken in either, and no replay meets the bad one."""
    cut = chunks(packets(codec, rate_hz, channels))
    disturbed, calm = (make_decoder(codec, rate_hz, channels) for _ in range(2))
    for index, chunk in enumerate(cut):
        if index % 4 == 3 and (bad := _bad_packet(codec, channels)) is not None:
            with pytest.raises(UndecodablePacket, match=f"{len(bad)} bytes"):
                disturbed.decode([*chunk, bad])
        assert np.array_equal(disturbed.decode(chunk), calm.decode(chunk))
    assert disturbed.snapshot() == calm.snapshot()


def _bad_packet(codec: Codec, channels: int) -> bytes | None:
    frame_bytes = {Codec.PCM_S16LE: 2, Codec.MULAW: 1, Codec.ALAW: 1}.get(codec, 0) * channels
    return GARBAGE.get(codec, bytes(2 * frame_bytes + 1) if frame_bytes > 1 else None)


@EVERY_FORMAT
def test_no_packets_give_no_samples(codec: Codec, rate_hz: int, channels: int) -> None:
    """An empty chunk, the usual end of a stream, decodes to nothing."""
    assert make_decoder(codec, rate_hz, channels).decode([]).shape == (channels, 0)


def test_another_process_continues_from_snapshots_bit_for_bit() -> None:
    """Snapshots carry all there is: a fresh interpreter gives the same samples."""
    formats = [(Codec.OPUS, 48000, 2), (Codec.OPUS, 16000, 1), (Codec.MULAW, 8000, 1), (Codec.PCM_S16LE, 44100, 2)]
    tasks: list[object] = []
    expected: list[str] = []
    for codec, rate_hz, channels in formats:
        cut = chunks(packets(codec, rate_hz, channels))
        decoder = make_decoder(codec, rate_hz, channels)
        decode_all(decoder, cut[:11])
        tasks.append([codec.value, rate_hz, channels, decoder.snapshot(), [list(chunk) for chunk in cut[11:]]])
        expected.append(decode_all(decoder, cut[11:]).tobytes().hex())
    assert _in_another_process(tasks) == expected


def _in_another_process(tasks: list[object]) -> list[str]:
    script = (
        "import json\n"
        "from tests.codecs.audio import decode_all\n"
        "from pipeline.codecs.decoders import make_decoder\n"
        "from pipeline.domain.types import Codec\n"
        f"tasks = {tasks!r}\n"
        "made = [(make_decoder(Codec(c), r, n, s), rest) for c, r, n, s, rest in tasks]\n"
        "print(json.dumps([decode_all(decoder, rest).tobytes().hex() for decoder, rest in made]))\n"
    )
    done = subprocess.run([sys.executable, "-"], input=script, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    result: list[str] = json.loads(done.stdout)
    return result


def test_format_outside_the_codecs_rates_is_refused() -> None:
    """The message says what is accepted."""
    with pytest.raises(InvalidChunk, match="44100 of OPUS audio: accepted are 8000, 12000"):
        make_decoder(Codec.OPUS, 44100, 1)
    with pytest.raises(InvalidChunk, match="channels 3"):
        make_decoder(Codec.PCM_S16LE, 16000, 3)


def test_codec_nobody_knows_is_refused() -> None:
    """A string from elsewhere does not pass as a codec."""
    with pytest.raises(UnknownCodec, match="SPEEX"):
        make_decoder("SPEEX", 16000, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [1, 2])
def test_pcm_at_16_khz_passes_unchanged_and_needs_no_state(channels: int) -> None:
    """No resampler, no delay, an empty snapshot."""
    decoder = make_decoder(Codec.PCM_S16LE, 16000, channels)
    audio = speech(16000, channels)
    out = decode_all(decoder, chunks(packets(Codec.PCM_S16LE, 16000, channels)))
    assert np.array_equal(out[:, : audio.shape[1]], audio)
    assert decoder.snapshot() == {}


def test_flac_is_lossless() -> None:
    """The samples of each small stream are those encoded."""
    audio = speech(16000, 2)
    out = decode_all(make_decoder(Codec.FLAC, 16000, 2), chunks(packets(Codec.FLAC, 16000, 2)))
    assert np.array_equal(out[:, : audio.shape[1]], audio)


def test_flac_stream_of_another_format_is_refused() -> None:
    """A packet cannot change the session's rate or channels."""
    packet = packets(Codec.FLAC, 24000, 1)[0]
    with pytest.raises(UndecodablePacket, match="24000 Hz with 1 channels, its chunk says 16000 Hz with 2"):
        make_decoder(Codec.FLAC, 16000, 2).decode([packet])


def test_flac_that_swells_is_refused_before_it_fills_the_memory() -> None:
    """Two streams of 0.6 s are too much for a chunk, and so is one of 2 s."""
    from pipeline.codecs.flac import encode_flac

    decoder = make_decoder(Codec.FLAC, 16000, 1)
    packet = encode_flac(np.zeros((1, 9600), np.int16), 16000)
    decoder.decode([packet])
    with pytest.raises(UndecodablePacket, match="more than 1000 ms"):
        decoder.decode([packet, packet])
    with pytest.raises(UndecodablePacket, match="longer than 1 s"):
        decoder.decode([encode_flac(np.zeros((1, 32000), np.int16), 16000)])

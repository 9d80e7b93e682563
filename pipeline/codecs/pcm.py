"""Linear PCM: signed 16-bit little-endian samples, channels interleaved."""

import numpy as np

from pipeline.domain.types import Pcm16
from pipeline.errors import UndecodablePacket


def decode_pcm(packet: bytes, channels: int) -> Pcm16:
    """Shape (channels, samples), dtype int16, the packet's own rate. Raises UndecodablePacket for a cut frame."""
    check_frames(packet, 2 * channels)
    return np.frombuffer(packet, "<i2").reshape(-1, channels).T


def encode_pcm(pcm: Pcm16) -> bytes:
    """``pcm``: shape (channels, samples), dtype int16."""
    return pcm.T.astype("<i2").tobytes()


def check_frames(packet: bytes, frame_bytes: int) -> None:
    """Raise UndecodablePacket unless the packet is a whole number of frames (one sample of every channel)."""
    if len(packet) % frame_bytes:
        raise UndecodablePacket(f"packet of {len(packet)} bytes ends within a frame: send a multiple of {frame_bytes}")

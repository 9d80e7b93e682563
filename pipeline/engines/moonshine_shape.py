"""What the decoder's graph and the code that runs it must agree on; apart, since running a graph needs no onnx."""

from enum import StrEnum
from typing import Final

LAYERS: Final = 6
HEADS: Final = 8
HEAD_SIZE: Final = 36
VOCABULARY: Final = 32_768
MAX_TOKENS: Final = 512
MAX_FRAMES: Final = 2048

REWRITE_VERSION: Final = 2
"""Rises with every change of the graphs that may change a text."""


class Weights(StrEnum):
    """What the weights are multiplied as."""

    FLOAT32 = "float32"
    SIGNED = "int8"
    UNSIGNED = "uint8"


def cache_names(prefix: str) -> list[str]:
    """The names of the keys and values of all layers: prefix.0.key, prefix.0.value, prefix.1.key ..."""
    return [f"{prefix}.{layer}.{part}" for layer in range(LAYERS) for part in ("key", "value")]


def cache_shape(cache: str) -> list[int | str]:
    """Keys lie transposed. onnxruntime reuses memory by the names of lengths: other lengths need other names."""
    time = "frames" if cache.startswith("cross") else "time"
    return ["batch", 1, HEADS, *((HEAD_SIZE, time) if cache.endswith("key") else (time, HEAD_SIZE))]

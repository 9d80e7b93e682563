"""What the decoder's graph and the code that runs it must agree on; apart, since running a graph needs no onnx."""

from typing import Final

LAYERS: Final = 6
HEADS: Final = 8
HEAD_SIZE: Final = 36
VOCABULARY: Final = 32_768

REWRITE_VERSION: Final = 2
"""Rises with every change of the graphs that may change a text."""


def cache_names(prefix: str) -> list[str]:
    """The names of the keys and values of all layers: prefix.0.key, prefix.0.value, prefix.1.key ..."""
    return [f"{prefix}.{layer}.{part}" for layer in range(LAYERS) for part in ("key", "value")]

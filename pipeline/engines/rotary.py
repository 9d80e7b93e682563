"""Rotary positions, as both of Moonshine's graphs use them: on the first 32 of each head's 36 dimensions."""

from typing import Final

import numpy as np
from onnx import numpy_helper

from pipeline.engines.graph_builder import MICROSOFT, GraphBuilder
from pipeline.engines.moonshine_shape import HEADS
from pipeline.engines.moonshine_weights import Shipped

_ROTARY_SIZE: Final = 32


def rotary_tables(builder: GraphBuilder, shipped: Shipped, positions: int) -> tuple[str, str]:
    """Cosine and sine of every position's angles: (positions, 16), float32."""
    frequencies = next(
        value
        for value in map(numpy_helper.to_array, shipped.constants.values())
        if value.shape == (1, _ROTARY_SIZE // 2, 1)
    )
    angles = np.arange(positions, dtype=np.float32)[:, None] * frequencies.reshape(1, -1)
    return builder.constant(np.cos(angles)), builder.constant(np.sin(angles))


def rotated(builder: GraphBuilder, x: str, positions: str, tables: tuple[str, str]) -> str:
    """x (batch, time, heads * head size), turned by its positions: (batch, time) int64, or (1,) for the first."""
    return builder.node(
        "RotaryEmbedding",
        x,
        positions,
        *tables,
        domain=MICROSOFT,
        interleaved=1,
        num_heads=HEADS,
        rotary_embedding_dim=_ROTARY_SIZE,
    )

"""Multiplications by shipped weights, as nodes of a graph: in float32, or in bytes with a scale for every row.

In bytes each row of x is divided by its own largest magnitude, so that no number depends on another row, and whole
numbers are summed, which is exact in any order: a row's product is the same, bit for bit, in any batch, on any
processor. (Shipped, one scale served the whole batch.)

    x_row / step_row + 128 = levels       uint8, step_row = max |x_row| / 127
    product_row = (levels - 128) * (weight levels - zero point) * step_row * weight scale

Processors with VNNI multiply unsigned by signed bytes three times as fast as float32. Older ones have an instruction
for it that saturates: there weights must stay unsigned (``byte_check.py``). The sums are the same.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.engines.graph_builder import MICROSOFT, GraphBuilder
from pipeline.engines.moonshine_shape import Weights
from pipeline.engines.moonshine_weights import Matrix

Products = Callable[[str, Sequence[Matrix]], list[str]]
"""x (batch, time, inputs) times each of some matrices, plus its bias: (batch, time, outputs) each."""

_MIDDLE: Final = 128
_STEPS: Final = np.float32(1 / 127)
_LEAST_STEP: Final = np.float32(1e-12)
"""A row of zeros has a step as well."""


def products(builder: GraphBuilder, weights: Weights) -> Products:
    """How a graph with such weights multiplies."""
    if weights is Weights.FLOAT32:
        return lambda x, matrices: [builder.real_linear(x, matrix) for matrix in matrices]
    return _ByteProducts(builder, signed=weights is Weights.SIGNED)


class _ByteProducts:
    """Writes the nodes; x is brought into bytes once for all matrices."""

    def __init__(self, builder: GraphBuilder, *, signed: bool) -> None:
        self._builder = builder
        self._signed = signed

    def __call__(self, x: str, matrices: Sequence[Matrix]) -> list[str]:
        step = self._step(x)
        levels = self._levels(x, step, len(matrices[0].levels))
        return [self._product(levels, step, matrix) for matrix in matrices]

    def _step(self, x: str) -> str:
        """(batch, time, 1), float32."""
        builder = self._builder
        largest = builder.node("ReduceMax", builder.node("Abs", x), builder.constant(np.array([-1])), keepdims=1)
        scaled = builder.node("Mul", largest, builder.constant(_STEPS))
        return builder.node("Add", scaled, builder.constant(_LEAST_STEP))

    def _levels(self, x: str, step: str, width: int) -> str:
        """(batch, time, width), uint8. QuantizeLinear takes one scale a row of a matrix, not of more axes."""
        builder = self._builder
        rows = builder.node("Reshape", x, builder.constant(np.array([-1, width])))
        steps = builder.node("Reshape", step, builder.constant(np.array([-1])))
        middles = builder.node("Expand", builder.constant(np.uint8(_MIDDLE)), builder.node("Shape", steps))
        levels = builder.node("QuantizeLinear", rows, steps, middles, axis=0)
        return builder.node("Reshape", levels, builder.node("Shape", x))

    def _product(self, levels: str, step: str, matrix: Matrix) -> str:
        builder = self._builder
        weight: NDArray[np.generic]
        zero_point: np.generic
        weight, zero_point = _signed(matrix) if self._signed else (matrix.levels, matrix.zero_point)
        real = builder.node(
            "MatMulIntegerToFloat",
            levels,
            builder.constant(weight),
            builder.constant(np.float32(1)),
            builder.constant(matrix.scale),
            builder.constant(np.uint8(_MIDDLE)),
            builder.constant(zero_point),
            domain=MICROSOFT,
        )
        scaled = builder.node("Mul", real, step)
        return scaled if matrix.bias is None else builder.node("Add", scaled, builder.constant(matrix.bias))


def _signed(matrix: Matrix) -> tuple[NDArray[np.int8], np.int8]:
    """Levels and zero point, both lowered by 128: their differences stay what they are."""
    lowered = (matrix.levels.astype(np.int16) - _MIDDLE).astype(np.int8)
    return lowered, np.int8(int(matrix.zero_point) - _MIDDLE)

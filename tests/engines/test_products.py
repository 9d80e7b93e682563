"""Multiplying in bytes: each row by itself, exactly, and the same with signed and unsigned weights."""

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from pipeline.domain.types import Pcm
from pipeline.engines.base import EngineSettings, make_session
from pipeline.engines.byte_check import check_graph, signed_is_exact
from pipeline.engines.graph_builder import GraphBuilder
from pipeline.engines.moonshine_shape import Weights
from pipeline.engines.moonshine_weights import Matrix
from pipeline.engines.products import products

INPUTS, OUTPUTS = 96, 40
DRAWN = np.random.default_rng(5)
MATRIX = Matrix(
    levels=DRAWN.integers(0, 256, (INPUTS, OUTPUTS), dtype=np.uint8),
    scale=np.float32(0.01),
    zero_point=np.uint8(117),
    bias=DRAWN.normal(size=OUTPUTS).astype(np.float32),
)
ROWS = (DRAWN.normal(size=(3, 20, INPUTS)) * 10.0 ** DRAWN.integers(-3, 3, (3, 20, 1))).astype(np.float32)
"""Three stretches of twenty rows, loud and quiet ones in turn."""


def multiplier(weights: Weights) -> ort.InferenceSession:
    builder = GraphBuilder()
    builder.floats_in("x", ["batch", "time", INPUTS])
    (product,) = products(builder, weights)("x", [MATRIX])
    builder.node("Identity", product, to="y")
    builder.floats_out("y", ["batch", "time", OUTPUTS])
    return make_session(builder.serialized(), EngineSettings())


def times(session: ort.InferenceSession, x: Pcm) -> NDArray[np.float32]:
    product: NDArray[np.float32] = session.run(["y"], {"x": x})[0]
    return product


def exact_kinds() -> list[Weights]:
    """Those that the processor at hand multiplies exactly."""
    return [Weights.UNSIGNED, Weights.SIGNED] if signed_is_exact(check_graph()) else [Weights.UNSIGNED]


@pytest.mark.parametrize("weights", exact_kinds())
def test_a_row_has_the_same_product_alone_and_among_others(weights: Weights) -> None:
    session = multiplier(weights)
    together = times(session, ROWS)
    for stretch, expected in zip(ROWS, together, strict=True):
        assert np.array_equal(times(session, stretch[None])[0], expected)
        assert all(np.array_equal(times(session, stretch[None, at : at + 1])[0, 0], expected[at]) for at in (0, 7, 19))


def test_signed_and_unsigned_weights_give_the_same_bits() -> None:
    first, *others = [times(multiplier(weights), ROWS) for weights in exact_kinds()]
    assert all(np.array_equal(first, other) for other in others)


@pytest.mark.parametrize("weights", exact_kinds())
def test_quiet_rows_are_as_exact_as_loud_ones(weights: Weights) -> None:
    exact = ROWS @ MATRIX.real()
    assert MATRIX.bias is not None
    wrong = np.abs(times(multiplier(weights), ROWS) - MATRIX.bias - exact).max(axis=-1)
    bias_rounding = 1e-6
    assert np.all(wrong <= 0.05 * np.abs(exact).max(axis=-1) + bias_rounding)


def test_a_row_of_zeros_gives_the_bias() -> None:
    product = times(multiplier(Weights.UNSIGNED), np.zeros((1, 1, INPUTS), np.float32))
    assert np.array_equal(product[0, 0], MATRIX.bias)


def test_a_processor_that_saturates_is_found_out() -> None:
    """Played by a graph whose sums stop at 32 times 32767, as those of pairs added in 16 bits do."""
    builder = GraphBuilder()
    builder.bytes_in("x", [1, 8, 64])
    levels = builder.node("DequantizeLinear", "x", builder.constant(np.float32(127)))
    sums = builder.node("ReduceSum", levels, builder.constant(np.array([-1])))
    saturated = builder.node("Min", sums, builder.constant(np.float32(32 * 32767)))
    builder.node("Expand", saturated, builder.constant(np.array([1, 8, 32])), to="product")
    builder.floats_out("product", [1, 8, 32])
    assert not signed_is_exact(builder.serialized())


def test_a_weight_that_was_widened_from_bytes_gets_its_levels_back() -> None:
    """Its least and largest levels are 0 and 255, as in every matrix that was quantised by its range."""
    levels = MATRIX.levels.copy()
    levels[0, :2] = 0, 255
    before = Matrix(levels, MATRIX.scale, MATRIX.zero_point, MATRIX.bias)
    after = Matrix.of(before.real(), np.zeros(OUTPUTS, np.float32))
    assert np.array_equal(after.levels, levels)
    assert (after.zero_point, after.scale) == (before.zero_point, pytest.approx(before.scale))

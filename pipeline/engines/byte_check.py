"""Whether this processor multiplies unsigned by signed bytes without saturating; the onnx package is needed once only.

Without VNNI, x86 adds two such products in 16 bits: 255 * 127 + 255 * 127 becomes 32767. onnxruntime uses that
instruction where it has no better one.
"""

from typing import Final

import numpy as np

from pipeline.engines.base import EngineSettings, make_session

_ROWS: Final = 8
_INPUTS: Final = 64
_OUTPUTS: Final = 32


def signed_is_exact(graph: bytes) -> bool:
    """Runs ``check_graph`` on the largest bytes."""
    session = make_session(graph, EngineSettings())
    (product,) = session.run(None, {"x": np.full((1, _ROWS, _INPUTS), 255, np.uint8)})
    return bool(np.all(product == _INPUTS * 255 * 127))


def check_graph() -> bytes:
    """x (1, rows, 64) uint8 times a matrix of 127: (1, rows, 32) float32, as in ``products.py``."""
    from pipeline.engines.graph_builder import MICROSOFT, GraphBuilder

    builder = GraphBuilder()
    builder.bytes_in("x", [1, _ROWS, _INPUTS])
    one = builder.constant(np.float32(1))
    weight = builder.constant(np.full((_INPUTS, _OUTPUTS), 127, np.int8))
    zeros = builder.constant(np.uint8(0)), builder.constant(np.int8(0))
    builder.node("MatMulIntegerToFloat", "x", weight, one, one, *zeros, to="product", domain=MICROSOFT)
    builder.floats_out("product", [1, _ROWS, _OUTPUTS])
    return builder.serialized()

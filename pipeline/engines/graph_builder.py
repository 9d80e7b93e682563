"""A few lines over onnx.helper, so that a graph reads like the formula it computes."""

from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pipeline.engines.moonshine_weights import Matrix

MICROSOFT: Final = "com.microsoft"
"""The domain of onnxruntime's own operators."""

_OPSETS: Final = [helper.make_opsetid("", 18), helper.make_opsetid(MICROSOFT, 1)]
_IR_VERSION: Final = 10

_BLOCK: Final = 32
"""Weights that share a scale in MatMulNBits; here all blocks of a matrix repeat one scale, so no value changes."""

_INT8_ACTIVATIONS: Final = 4
"""MatMulNBits' accuracy level: activations become int8 with one scale per row and block, none per batch."""

Shape = list[int | str]


class GraphBuilder:
    """Collects the nodes, constants, inputs and outputs of one graph."""

    def __init__(self) -> None:
        self._graph = onnx.GraphProto(name="voxflow")
        self._made = 0

    def serialized(self) -> bytes:
        model = helper.make_model(self._graph, opset_imports=_OPSETS, ir_version=_IR_VERSION)
        serialized: bytes = model.SerializeToString()
        return serialized

    def floats_in(self, name: str, shape: Shape) -> str:
        return self._input(name, TensorProto.FLOAT, shape)

    def integers_in(self, name: str, shape: Shape) -> str:
        return self._input(name, TensorProto.INT64, shape)

    def bytes_in(self, name: str, shape: Shape) -> str:
        return self._input(name, TensorProto.UINT8, shape)

    def floats_out(self, name: str, shape: Shape) -> None:
        self._graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def integers_out(self, name: str, shape: Shape) -> None:
        self._graph.output.append(helper.make_tensor_value_info(name, TensorProto.INT64, shape))

    def constant(self, value: NDArray[np.generic] | np.generic) -> str:
        """A single value becomes an array of one."""
        name = self._name("constant")
        self._graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operator: str, *inputs: str, to: str | None = None, domain: str = "", **attributes: Any) -> str:
        """One operator with one output; ``to`` names that output."""
        return self.nodes(operator, *inputs, to=(to or self._name(operator),), domain=domain, **attributes)[0]

    def nodes(
        self, operator: str, *inputs: str, to: tuple[str, ...], domain: str = "", **attributes: Any
    ) -> tuple[str, ...]:
        """One operator with the outputs named in ``to``."""
        self._graph.node.append(helper.make_node(operator, inputs, to, name=to[0], domain=domain, **attributes))
        return to

    def real_linear(self, x: str, matrix: Matrix, to: str | None = None) -> str:
        """x times the weight, plus its bias, in float32."""
        if matrix.bias is None:
            return self.node("MatMul", x, self.constant(matrix.real()), to=to)
        return self.node("Add", self.node("MatMul", x, self.constant(matrix.real())), self.constant(matrix.bias), to=to)

    def byte_linear(self, x: str, matrix: Matrix, to: str | None = None) -> str:
        """x times the weight, plus its bias; the weight stays in 8 bits, x becomes int8 row by row."""
        product = self._byte_product(x, matrix, to if matrix.bias is None else None)
        return product if matrix.bias is None else self.node("Add", product, self.constant(matrix.bias), to=to)

    def _byte_product(self, x: str, matrix: Matrix, to: str | None) -> str:
        inputs, outputs = matrix.levels.shape
        blocks = inputs // _BLOCK
        return self.node(
            "MatMulNBits",
            x,
            self.constant(matrix.levels.T.reshape(outputs, blocks, _BLOCK)),
            self.constant(np.full((outputs, blocks), matrix.scale, np.float32)),
            self.constant(np.full((outputs, blocks), matrix.zero_point, np.uint8)),
            to=to,
            domain=MICROSOFT,
            K=inputs,
            N=outputs,
            bits=8,
            block_size=_BLOCK,
            accuracy_level=_INT8_ACTIVATIONS,
        )

    def _input(self, name: str, kind: int, shape: Shape) -> str:
        self._graph.input.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def _name(self, stem: str) -> str:
        self._made += 1
        return f"voxflow_{stem}_{self._made}"

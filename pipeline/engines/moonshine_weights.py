"""Moonshine's shipped files, read as a graph of nodes and constants.

onnxruntime itself turns its own format back into ONNX: it loads the file with every optimisation off and saves it.
The shipped graphs hold 8-bit weights (one scale and zero point a matrix) and quantise activations while they run,
with one scale for the whole batch; that scale is why a text depends on its neighbours (docs/engine.md). So only the
weights are taken from here, and the graphs that run are other ones (moonshine_decoder.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import numpy_helper

from pipeline.errors import ModelMissing

FUSED: Final = "DynamicQuantizeMatMul"
"""Inputs: x, weight, weight's scale, its zero point, bias."""

SPLIT: Final = "MatMulIntegerToFloat"
"""Inputs: quantised x, weight, x's scale, weight's scale, x's zero point, weight's zero point, bias."""

_WEIGHT_INPUTS: Final = {FUSED: (1, 2, 3, 4), SPLIT: (1, 3, 5, 6)}

Tensor = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Matrix:
    """An 8-bit weight: (inputs, outputs), uint8. The real value is (levels - zero_point) * scale."""

    levels: NDArray[np.uint8]
    scale: np.float32
    zero_point: np.uint8
    bias: NDArray[np.float32] | None

    @classmethod
    def of(cls, real: NDArray[np.float32], bias: NDArray[np.float32]) -> "Matrix":
        """The levels of a weight that was widened from 8 bits: they cover all from its least to its largest value."""
        scale = np.float32((real.max() - real.min()) / 255)
        zero_point = np.round(-real.min() / scale)
        return cls(np.round(real / scale + zero_point).astype(np.uint8), scale, np.uint8(zero_point), bias)

    def real(self) -> NDArray[np.float32]:
        """Shape (inputs, outputs), dtype float32."""
        real: NDArray[np.float32] = (self.levels.astype(np.float32) - np.float32(self.zero_point)) * self.scale
        return real


class Shipped:
    """One shipped graph: its nodes by the name of an output, and its constants by name."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.constants: dict[str, onnx.TensorProto] = {}
        self.nodes: dict[str, onnx.NodeProto] = {}
        for graph in _graphs(model.graph):
            self.constants.update((constant.name, constant) for constant in graph.initializer)
            for node in graph.node:
                # Both branches of the decoder name their nodes alike and share weights; the branch node itself
                # repeats their outputs' names.
                if node.op_type != "If":
                    self.nodes.update((output, node) for output in node.output)

    @classmethod
    def read(cls, path: Path) -> "Shipped":
        """Reads a file in onnxruntime's format. Raises ModelMissing."""
        try:
            return cls(_as_onnx(path))
        except Exception as exc:  # onnxruntime raises its own classes, all directly below Exception
            raise ModelMissing(f"model file {path} cannot be read by onnxruntime {ort.__version__}: {exc}") from exc

    def constant(self, name: str) -> Tensor:
        return numpy_helper.to_array(self.constants[name])

    def input_of(self, output: str, position: int) -> Tensor:
        """The constant that is one input of the node with this output."""
        return self.constant(self.nodes[output].input[position])

    def matrix(self, output: str) -> Matrix:
        """The weight of the multiplication with this output."""
        return self.matrix_of(self.nodes[output])

    def matrix_of(self, node: onnx.NodeProto) -> Matrix:
        """The weight of a quantised multiplication."""
        weight, scale, zero_point, bias = _WEIGHT_INPUTS[node.op_type]
        return Matrix(
            levels=self.constant(node.input[weight]).astype(np.uint8),
            scale=np.float32(self.constant(node.input[scale])),
            zero_point=np.uint8(self.constant(node.input[zero_point])),
            bias=self.constant(node.input[bias]).astype(np.float32) if _has(node, bias) else None,
        )


def _has(node: onnx.NodeProto, position: int) -> bool:
    return len(node.input) > position and bool(node.input[position])


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph, and those inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _as_onnx(path: Path) -> onnx.ModelProto:
    with TemporaryDirectory(prefix="voxflow-") as folder:
        saved = Path(folder) / "model.onnx"
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        options.optimized_model_filepath = str(saved)
        options.add_session_config_entry("session.save_model_format", "ONNX")
        ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return onnx.load(saved)

"""Silero's network as one small graph over many frames of one channel, made in memory when the detector loads.

The shipped graph takes one frame of one channel a call and spends most of its time on shapes and branches that never
change. This one has the same weights; it takes the frames of a call together and turns the short convolutions into
multiplications over all of them, whose rows do not depend on one another:

    frame with context (576) -> reflected to 640 -> 4 windows of 256, 128 apart -> magnitudes of 129 frequencies
    -> 4 convolutions of width 3, down to one vector of 128 -> recurrent cell -> probability
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from pipeline.engines.graph_builder import GraphBuilder

CELLS: Final = 128
FRAME_WITH_CONTEXT: Final = 576

_HOP: Final = 128
_WINDOWS: Final = 4
_REFLECTED: Final = 64

Floats = NDArray[np.float32]


def detector_graph(shipped: Path) -> bytes:
    """Inputs: frames (n, 576) float32 in [-1, 1], state (2, 1, 128) float32.

    Outputs: probability (n,) float32, next_state (2, 1, 128) float32.
    """
    return _Detector(_constants(onnx.load(shipped).graph)).build()


class _Detector:
    """Writes the graph from the shipped weights."""

    def __init__(self, weights: dict[str, Floats]) -> None:
        self._weights = weights
        self._builder = GraphBuilder()

    def build(self) -> bytes:
        builder = self._builder
        builder.floats_in("frames", ["n", FRAME_WITH_CONTEXT])
        builder.floats_in("state", [2, 1, CELLS])
        self._judge(self._remember(self._convolved(self._spectrum("frames"))))
        builder.floats_out("probability", ["n"])
        builder.floats_out("next_state", [2, 1, CELLS])
        return builder.serialized()

    def _spectrum(self, frames: str) -> str:
        """Magnitudes: (n, 4, 129)."""
        node = self._builder.node
        reflected = node("Pad", frames, self._numbers(0, 0, 0, _REFLECTED), mode="reflect")
        hops = node("Reshape", reflected, self._numbers(-1, _WINDOWS + 1, _HOP))
        earlier, later = self._sliced(hops, 0, _WINDOWS), self._sliced(hops, 1, _WINDOWS + 1)
        basis = self._weights["model.stft.forward_basis_buffer"][:, 0].T
        waves = node("MatMul", node("Concat", earlier, later, axis=2), self._builder.constant(basis))
        real, imaginary = self._builder.nodes("Split", waves, to=("real", "imaginary"), axis=2, num_outputs=2)
        return node("Sqrt", node("Add", node("Mul", real, real), node("Mul", imaginary, imaginary)))

    def _convolved(self, spectrum: str) -> str:
        """(n, 128). The last two see one column only, the rest of their width being padding."""
        x = self._dense(self._unfolded(spectrum, columns=4, stride=1), 0, taps=(0, 1, 2))
        x = self._dense(self._unfolded(x, columns=2, stride=2), 1, taps=(0, 1, 2))
        both_columns = self._builder.node("Reshape", x, self._numbers(-1, 128))
        return self._dense(self._dense(both_columns, 2, taps=(1, 2)), 3, taps=(1,))

    def _remember(self, x: str) -> str:
        """(n, 128): the recurrent cell over the frames in order."""
        node, constant = self._builder.node, self._builder.constant
        hidden, cell = self._builder.nodes("Split", "state", to=("hidden", "cell"), axis=0, num_outputs=2)
        weights = [constant(self._gates(name)) for name in ("weight_ih", "weight_hh")]
        bias = constant(np.concatenate([self._gates("bias_ih"), self._gates("bias_hh")], axis=1))
        sequence = node("Unsqueeze", x, self._numbers(1))
        states, last_hidden, last_cell = self._builder.nodes(
            "LSTM",
            sequence,
            *weights,
            bias,
            "",
            hidden,
            cell,
            to=("states", "last_hidden", "last_cell"),
            hidden_size=CELLS,
        )
        node("Concat", last_hidden, last_cell, to="next_state", axis=0)
        return node("Reshape", states, self._numbers(-1, CELLS))

    def _judge(self, x: str) -> None:
        """A weighted sum, written without MatMul, which would take another path for a single frame."""
        node = self._builder.node
        weight = self._builder.constant(self._weights["model.decoder.decoder.2.weight"].reshape(1, CELLS))
        bias = self._builder.constant(self._weights["model.decoder.decoder.2.bias"])
        summed = node("ReduceSum", node("Mul", node("Relu", x), weight), self._numbers(1), keepdims=0)
        node("Sigmoid", node("Add", summed, bias), to="probability")

    def _dense(self, x: str, number: int, taps: tuple[int, ...]) -> str:
        """Convolution ``number`` on columns laid side by side, and what is negative cut off."""
        name = f"model.encoder.{number}.reparam_conv"
        kernel = self._weights[f"{name}.weight"]
        matrix = np.concatenate([kernel[:, :, tap].T for tap in taps])
        product = self._builder.node("MatMul", x, self._builder.constant(matrix))
        bias = self._builder.constant(self._weights[f"{name}.bias"])
        return self._builder.node("Relu", self._builder.node("Add", product, bias))

    def _unfolded(self, x: str, columns: int, stride: int) -> str:
        """Each column with its neighbours: (n, 4, width) to (n, columns, 3 * width)."""
        padded = self._builder.node("Pad", x, self._numbers(0, 1, 0, 0, 1, 0))
        ends = [first + (columns - 1) * stride + 1 for first in range(3)]
        neighbours = [self._sliced(padded, first, end, stride) for first, end in enumerate(ends)]
        return self._builder.node("Concat", *neighbours, axis=2)

    def _sliced(self, x: str, first: int, end: int, stride: int = 1) -> str:
        """Columns first, first + stride ... below end, along axis 1."""
        numbers = (self._numbers(number) for number in (first, end, 1, stride))
        return self._builder.node("Slice", x, *numbers)

    def _gates(self, name: str) -> Floats:
        """The cell's weights in ONNX's order of gates; the shipped ones have the order of PyTorch."""
        into, forget, candidate, out = np.split(self._weights[f"model.decoder.rnn.{name}"], 4)
        gates: Floats = np.concatenate([into, out, forget, candidate])[None]
        return gates

    def _numbers(self, *numbers: int) -> str:
        return self._builder.constant(np.array(numbers, np.int64))


def _constants(graph: onnx.GraphProto) -> dict[str, Floats]:
    """The float32 weights by name, from the initialisers and the constant nodes of all nested graphs."""
    return {name: value for name, value in _all_constants(graph) if value.dtype == np.float32}


def _all_constants(graph: onnx.GraphProto) -> Iterator[tuple[str, Floats]]:
    for tensor in graph.initializer:
        yield tensor.name, numpy_helper.to_array(tensor)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _all_constants(attribute.g)
            elif node.op_type == "Constant" and attribute.HasField("t"):
                yield node.output[0], numpy_helper.to_array(attribute.t)

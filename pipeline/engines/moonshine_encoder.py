"""The encoder's graph, written anew from the shipped weights.

    front end:  tanh(conv, 127 samples every 64) -> group norm -> gelu(conv, 7 every 3) -> gelu(conv, 3 every 2)
    layer:      x += attention(norm(x))               rotary positions on the first 32 of each head's 36 dimensions
                x += fc2(gelu(fc1(norm(x))))

The last two convolutions, whose weights are of 8 bits as well, are multiplications of windows, a window a row. The
decoder's projections of the encoder's output are part of the graph, so that the keys and values of the cross attention
are computed once.

Source of the layout: the shipped graph, and "Moonshine: Speech Recognition for Live Transcription and Voice
Commands" (arXiv 2410.15608).
"""

from typing import Final

import numpy as np

from pipeline.engines.graph_builder import MICROSOFT, GraphBuilder
from pipeline.engines.moonshine_shape import HEAD_SIZE, HEADS, LAYERS, MAX_FRAMES, Weights, cache_shape
from pipeline.engines.moonshine_weights import Matrix, Shipped
from pipeline.engines.products import products
from pipeline.engines.rotary import rotary_tables, rotated

_WIDTH: Final = HEADS * HEAD_SIZE
_EPSILON: Final = 1e-5
_TO_THE_END: Final = np.iinfo(np.int64).max


def encoder_graph(encoder: Shipped, decoder: Shipped, weights: Weights) -> bytes:
    """Input: input_values (batch, samples) float32. Outputs: cross.*."""
    return _Encoder(encoder, decoder, weights).build()


class _Encoder:
    """Writes the graph, layer by layer."""

    def __init__(self, encoder: Shipped, decoder: Shipped, weights: Weights) -> None:
        self._shipped = encoder
        self._decoder = decoder
        self._builder = GraphBuilder()
        self._products = products(self._builder, weights)

    def build(self) -> bytes:
        self._builder.floats_in("input_values", ["batch", "samples"])
        x = self._front_end()
        tables = rotary_tables(self._builder, self._shipped, MAX_FRAMES)
        for layer in range(LAYERS):
            x = self._plus(x, self._attention(self._normed(x, f"layers.{layer}.input_layernorm"), layer, tables))
            x = self._plus(x, self._feed_forward(self._normed(x, f"layers.{layer}.post_attention_layernorm"), layer))
        self._project(self._normed(x, "layer_norm"))
        return self._builder.serialized()

    def _front_end(self) -> str:
        """(batch, frames, width)."""
        builder = self._builder
        raw = builder.node("Unsqueeze", "input_values", builder.constant(np.array([1])))
        first = builder.node("Conv", raw, self._constant("conv1.weight_add_tensor"), kernel_shape=[127], strides=[64])
        x = builder.node("Transpose", self._group_normed(builder.node("Tanh", first)), perm=[0, 2, 1])
        return self._convolved(self._convolved(x, "conv2", every=3), "conv3", every=2)

    def _group_normed(self, x: str) -> str:
        """One group: mean and variance of a whole stretch, padding included."""
        builder = self._builder
        one, zero = builder.constant(np.ones(1, np.float32)), builder.constant(np.zeros(1, np.float32))
        flat = builder.node("Reshape", x, builder.constant(np.array([0, 1, -1])))
        normed = builder.node("InstanceNormalization", flat, one, zero, epsilon=_EPSILON)
        channels = builder.node("Reshape", normed, builder.constant(np.array([0, _WIDTH, -1])))
        scaled = builder.node("Mul", channels, self._constant("onnx::Mul_2080"))
        return builder.node("Add", scaled, self._constant("onnx::Add_2081"))

    def _convolved(self, x: str, name: str, *, every: int) -> str:
        """gelu(conv(x)) of x (batch, frames, channels)."""
        builder = self._builder
        bias = self._shipped.constant(f"{name}.bias").astype(np.float32)
        weight = self._shipped.constant(f"{name}.weight_add_tensor").astype(np.float32)
        windows = builder.node("Concat", *self._taps(x, weight.shape[-1], every), axis=2)
        flat = weight.transpose(2, 1, 0).reshape(-1, len(weight))
        (convolved,) = self._products(windows, [Matrix.of(flat, bias)])
        return builder.node("Gelu", convolved, domain=MICROSOFT)

    def _taps(self, x: str, width: int, every: int) -> list[str]:
        """The first frames of all windows, their second ones, and so on."""
        ends = [*range(1 - width, 0), _TO_THE_END]
        bounds = [(first, end, 1, every) for first, end in enumerate(ends)]
        return [
            self._builder.node("Slice", x, *(self._builder.constant(np.array([at])) for at in tap)) for tap in bounds
        ]

    def _attention(self, x: str, layer: int, tables: tuple[str, str]) -> str:
        names = [f"/layers.{layer}/self_attn/{part}_proj/MatMul_output_0" for part in "qkvo"]
        *inward, outward = map(self._shipped.matrix, names)
        query, key, value = self._products(x, inward)
        start = self._builder.constant(np.zeros(1, np.int64))
        query, key = (rotated(self._builder, one, start, tables) for one in (query, key))
        attended = self._builder.node(
            "MultiHeadAttention", query, key, value, domain=MICROSOFT, num_heads=HEADS, scale=HEAD_SIZE**-0.5
        )
        return self._products(attended, [outward])[0]

    def _feed_forward(self, x: str, layer: int) -> str:
        widening, narrowing = (
            self._shipped.matrix(f"/layers.{layer}/mlp/{part}/Add_output_0") for part in ("fc1", "fc2")
        )
        widened = self._builder.node("Gelu", self._products(x, [widening])[0], domain=MICROSOFT)
        return self._products(widened, [narrowing])[0]

    def _project(self, x: str) -> None:
        """The keys and values of the decoder's cross attention."""
        builder = self._builder
        split = builder.constant(np.array([0, 1, -1, HEADS, HEAD_SIZE]))
        parts = [(layer, part) for layer in range(LAYERS) for part in ("key", "value")]
        projections = [
            f"/model/decoder/layers.{layer}/encoder_attn/{part[0]}_proj/MatMul_output_0" for layer, part in parts
        ]
        projected = self._products(x, [self._decoder.matrix(name) for name in projections])
        for (layer, part), each in zip(parts, projected, strict=True):
            order = [0, 1, 3, 4, 2] if part == "key" else [0, 1, 3, 2, 4]
            name = builder.node(
                "Transpose", builder.node("Reshape", each, split), to=f"cross.{layer}.{part}", perm=order
            )
            builder.floats_out(name, cache_shape(name))

    def _normed(self, x: str, name: str) -> str:
        return self._builder.node("LayerNormalization", x, self._constant(f"{name}.weight"), epsilon=_EPSILON, axis=-1)

    def _plus(self, x: str, y: str) -> str:
        return self._builder.node("Add", x, y)

    def _constant(self, name: str) -> str:
        return self._builder.constant(self._shipped.constant(name))

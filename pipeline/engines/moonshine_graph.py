"""The two graphs that run in place of Moonshine's shipped ones, made once for a machine (moonshine_files.py).

Encoder: the shipped graph with its quantised multiplications replaced, and with the decoder's projections of the
encoder's output added, so that it gives the keys and values of the cross attention at once.

Decoder: one step, written anew. The shipped decoder is two branches of 900 nodes, most of which compute shapes that
never change; this one has about 25 nodes a layer, leaves the cross attention's keys and values where they are, and
gives the most likely token with its probability instead of 32768 logits.

    decoder layer:  x += self attention(norm(x))      rotary positions on the first 32 of each head's 36 dimensions
                    x += cross attention(norm(x))
                    x += down(silu(gate) * up),  up and gate = halves of fc1(norm(x))

Source of the layout: the shipped graph, and "Moonshine: Speech Recognition for Live Transcription and Voice
Commands" (arXiv 2410.15608).
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import onnx

from pipeline.engines.graph_builder import MICROSOFT, GraphBuilder
from pipeline.engines.moonshine_shape import HEAD_SIZE, HEADS, LAYERS, cache_names
from pipeline.engines.moonshine_weights import FUSED, SPLIT, Matrix, Shipped

_ROTARY_SIZE: Final = 32
_MAX_TOKENS: Final = 512
_EPSILON: Final = 1e-5
_SCALE: Final = HEAD_SIZE**-0.5
_CACHE: Final[list[int | str]] = ["batch", HEADS, "time", HEAD_SIZE]

Linear = Callable[..., str]


def encoder_graph(encoder: Shipped, decoder: Shipped) -> bytes:
    """Inputs: input_values (batch, samples) float32, attention_mask (batch, samples) int64. Outputs: cross.*."""
    builder = GraphBuilder(encoder.model)
    _replace_quantised(encoder, builder)
    del encoder.model.graph.output[:]
    split_heads = builder.constant(np.array([0, 0, HEADS, HEAD_SIZE]))
    for layer in range(LAYERS):
        for part in ("key", "value"):
            matrix = decoder.matrix(f"/model/decoder/layers.{layer}/encoder_attn/{part[0]}_proj/MatMul_output_0")
            projected = builder.real_linear("last_hidden_state", matrix)
            heads = builder.node("Reshape", projected, split_heads)
            name = builder.node("Transpose", heads, to=f"cross.{layer}.{part}", perm=[0, 2, 1, 3])
            builder.floats_out(name, _CACHE)
    return builder.serialized()


def _replace_quantised(shipped: Shipped, builder: GraphBuilder) -> None:
    """Puts float32 multiplications in the place of quantised ones, and drops what only fed the latter."""
    graph = shipped.model.graph
    nodes = list(graph.node)
    real = {node.output[0]: node.input[0] for node in nodes if node.op_type == "DynamicQuantizeLinear"}
    weights = {node.input[1] for node in nodes if node.op_type in (FUSED, SPLIT)}
    kept = [constant for constant in graph.initializer if constant.name not in weights]
    del graph.node[:], graph.initializer[:]
    graph.initializer.extend(kept)
    for node in nodes:
        if node.op_type in (FUSED, SPLIT):
            source = real.get(node.input[0], node.input[0])
            builder.real_linear(source, shipped.matrix_of(node), to=node.output[0])
        elif node.op_type != "DynamicQuantizeLinear":
            graph.node.append(node)


def decoder_graph(shipped: Shipped, *, bytewise: bool) -> bytes:
    """One step of the decoder; ``bytewise`` keeps the weights in 8 bits, else they are widened to float32.

    Inputs: tokens (batch, steps) int64, position (1,) int64 of the first step, past.*, cross.*.

    Outputs: token (batch, steps) int64 and probability (batch, steps) float32 of what follows each step, present.*.
    """
    return _Decoder(shipped, bytewise=bytewise).build()


class _Decoder:
    """Writes the decoder's graph, layer by layer."""

    def __init__(self, shipped: Shipped, *, bytewise: bool) -> None:
        self._shipped = shipped
        self._builder = GraphBuilder()
        self._linear: Linear = self._builder.byte_linear if bytewise else self._builder.real_linear

    def build(self) -> bytes:
        builder = self._builder
        builder.integers_in("tokens", ["batch", "steps"])
        builder.integers_in("position", [1])
        for name in cache_names("past") + cache_names("cross"):
            builder.floats_in(name, _CACHE)
        cosine, sine = self._rotary_tables()
        x = self._embedded("tokens")
        for layer in range(LAYERS):
            x = self._layer(x, layer, cosine, sine)
        self._choose(self._multiplied(self._normed(x, "norm"), "logits"))
        for name in cache_names("present"):
            builder.floats_out(name, _CACHE)
        return builder.serialized()

    def _layer(self, x: str, layer: int, cosine: str, sine: str) -> str:
        x = self._plus(x, self._self_attention(self._normed(x, f"layers.{layer}/input_layernorm"), layer, cosine, sine))
        x = self._plus(x, self._cross_attention(self._normed(x, f"layers.{layer}/post_attention_layernorm"), layer))
        return self._plus(x, self._feed_forward(self._normed(x, f"layers.{layer}/final_layernorm"), layer))

    def _self_attention(self, x: str, layer: int, cosine: str, sine: str) -> str:
        query, key, value = (self._projected(x, layer, "self_attn", part) for part in "qkv")
        attended, _, _ = self._builder.nodes(
            "MultiHeadAttention",
            self._rotated(query, cosine, sine),
            self._rotated(key, cosine, sine),
            value,
            "",
            "",
            "",
            f"past.{layer}.key",
            f"past.{layer}.value",
            to=(f"attended.{layer}", f"present.{layer}.key", f"present.{layer}.value"),
            domain=MICROSOFT,
            num_heads=HEADS,
            scale=_SCALE,
            unidirectional=1,
        )
        return self._projected(attended, layer, "self_attn", "o")

    def _cross_attention(self, x: str, layer: int) -> str:
        query = self._projected(x, layer, "encoder_attn", "q")
        keys, values = f"cross.{layer}.key", f"cross.{layer}.value"
        attended = self._builder.node(
            "MultiHeadAttention", query, keys, values, domain=MICROSOFT, num_heads=HEADS, scale=_SCALE
        )
        return self._projected(attended, layer, "encoder_attn", "o")

    def _feed_forward(self, x: str, layer: int) -> str:
        widened = self._multiplied(x, f"/model/decoder/layers.{layer}/mlp/fc1/Add_output_0")
        up, gate = self._builder.nodes("Split", widened, to=(f"up.{layer}", f"gate.{layer}"), axis=-1, num_outputs=2)
        silu = self._builder.node("QuickGelu", gate, domain=MICROSOFT, alpha=1.0)
        gated = self._builder.node("Mul", silu, up)
        return self._multiplied(gated, f"/model/decoder/layers.{layer}/mlp/fc2/Add_output_0")

    def _projected(self, x: str, layer: int, attention: str, part: str) -> str:
        return self._multiplied(x, f"/model/decoder/layers.{layer}/{attention}/{part}_proj/MatMul_output_0")

    def _multiplied(self, x: str, output: str) -> str:
        matrix: Matrix = self._shipped.matrix(output)
        return self._linear(x, matrix)

    def _normed(self, x: str, name: str) -> str:
        weight = self._shipped.input_of(f"/model/decoder/{name}/LayerNormalization_output_0", 1)
        return self._builder.node("LayerNormalization", x, self._builder.constant(weight), epsilon=_EPSILON, axis=-1)

    def _plus(self, x: str, y: str) -> str:
        return self._builder.node("Add", x, y)

    def _rotated(self, x: str, cosine: str, sine: str) -> str:
        return self._builder.node(
            "RotaryEmbedding",
            x,
            "position",
            cosine,
            sine,
            domain=MICROSOFT,
            interleaved=1,
            num_heads=HEADS,
            rotary_embedding_dim=_ROTARY_SIZE,
        )

    def _rotary_tables(self) -> tuple[str, str]:
        """Cosine and sine of every position's angles: (_MAX_TOKENS, _ROTARY_SIZE / 2), float32."""
        frequencies = next(
            value
            for value in map(onnx.numpy_helper.to_array, self._shipped.constants.values())
            if value.shape == (1, _ROTARY_SIZE // 2, 1)
        )
        angles = np.arange(_MAX_TOKENS, dtype=np.float32)[:, None] * frequencies.reshape(1, -1)
        return self._builder.constant(np.cos(angles)), self._builder.constant(np.sin(angles))

    def _embedded(self, tokens: str) -> str:
        """The tokens' vectors; the table stays in 8 bits and only the rows that are looked up are widened."""
        gather = "/model/decoder/embed_tokens/Gather_output_0"
        table = self._builder.constant(self._shipped.input_of(f"{gather}_quantized", 0))
        scale, zero_point = (self._builder.constant(self._shipped.input_of(gather, at)) for at in (1, 2))
        return self._builder.node("DequantizeLinear", self._builder.node("Gather", table, tokens), scale, zero_point)

    def _choose(self, logits: str) -> None:
        """The most likely token at every step and its probability."""
        last_axis = self._builder.constant(np.array([-1]))
        self._builder.node("ArgMax", logits, to="token", axis=-1, keepdims=0)
        likely = self._builder.node("Softmax", logits, axis=-1)
        self._builder.node("ReduceMax", likely, last_axis, to="probability", keepdims=0)
        self._builder.integers_out("token", ["batch", "steps"])
        self._builder.floats_out("probability", ["batch", "steps"])

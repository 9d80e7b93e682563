"""The decoder's graph, written anew from the shipped weights.

The shipped decoder is two branches of 900 nodes, most of which compute shapes that never change; this one has about 40
nodes a layer, leaves the cross attention's keys and values where they are, and gives the most likely token with its
probability instead of 32768 logits.

    decoder layer:  x += self attention(norm(x))      rotary positions on the first 32 of each head's 36 dimensions
                    x += cross attention(norm(x))
                    x += down(silu(gate) * up),  up and gate = halves of fc1(norm(x))

It takes one step of a row a call or several, each row at a position of its own, and the numbers are the same, bit for
bit: a sum is taken in the same order only if the same kernel takes it. So each step's attention is a multiplication of
a single row (MultiHeadAttention takes other kernels for one row than for several), over a cache of fixed length, in
which what lies ahead is zero and masked. Multiplications by weights quantise and sum each row by itself.

Source of the layout: the shipped graph, and "Moonshine: Speech Recognition for Live Transcription and Voice
Commands" (arXiv 2410.15608).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from pipeline.engines.graph_builder import MICROSOFT, GraphBuilder
from pipeline.engines.moonshine_shape import HEAD_SIZE, HEADS, LAYERS, MAX_TOKENS, Weights, cache_names, cache_shape
from pipeline.engines.moonshine_weights import Shipped
from pipeline.engines.rotary import rotary_tables, rotated

_EPSILON: Final = 1e-5
_SCALE: Final = np.float32(HEAD_SIZE**-0.5)

Linear = Callable[..., str]


def decoder_graph(shipped: Shipped, weights: Weights) -> bytes:
    """Bytes go into MatMulNBits, whichever they are: for one row it is as fast as ``products.py`` and is a single node.

    Inputs: tokens and positions (batch, steps) int64; written (batch, 1, 1, steps, time) float32, 1 at each step's
    position and else 0; mask (batch, steps, 1, 1, time) float32, 0 up to each step's position and then -inf; past.*,
    whose time is the most tokens there can be, zero from the first step's position on; cross.*.

    Outputs: token (batch, steps) int64 and probability (batch, steps) float32 of what follows each step; present.*.
    """
    return _Decoder(shipped, weights).build()


class _Decoder:
    """Writes the graph, layer by layer."""

    def __init__(self, shipped: Shipped, weights: Weights) -> None:
        self._shipped = shipped
        self._builder = GraphBuilder()
        real = weights is Weights.FLOAT32
        self._linear: Linear = self._builder.real_linear if real else self._builder.byte_linear

    def build(self) -> bytes:
        builder = self._builder
        builder.integers_in("tokens", ["batch", "steps"])
        builder.integers_in("positions", ["batch", "steps"])
        builder.floats_in("written", ["batch", 1, 1, "steps", "time"])
        builder.floats_in("mask", ["batch", "steps", 1, 1, "time"])
        for name in cache_names("past") + cache_names("cross"):
            builder.floats_in(name, cache_shape(name))
        self._choose(self._multiplied(self._last_hidden(), "logits"))
        for name in cache_names("present"):
            builder.floats_out(name, cache_shape(name))
        return builder.serialized()

    def _last_hidden(self) -> str:
        tables = rotary_tables(self._builder, self._shipped, MAX_TOKENS)
        x = self._embedded("tokens")
        for layer in range(LAYERS):
            at = f"layers.{layer}"
            x = self._plus(x, self._self_attention(self._normed(x, f"{at}/input_layernorm"), layer, tables))
            x = self._plus(x, self._cross_attention(self._normed(x, f"{at}/post_attention_layernorm"), layer))
            x = self._plus(x, self._feed_forward(self._normed(x, f"{at}/final_layernorm"), layer))
        return self._normed(x, "norm")

    def _self_attention(self, x: str, layer: int, tables: tuple[str, str]) -> str:
        query, key, value = (self._projected(x, layer, "self_attn", part) for part in "qkv")
        keys = self._heads(rotated(self._builder, key, "positions", tables), [0, 1, 3, 4, 2])
        keys = self._grown(f"{layer}.key", self._builder.node("MatMul", keys, "written"))
        place = self._builder.node("Transpose", "written", perm=[0, 1, 2, 4, 3])
        values = self._heads(value, [0, 1, 3, 2, 4])
        values = self._grown(f"{layer}.value", self._builder.node("MatMul", place, values))
        attended = self._attended(rotated(self._builder, query, "positions", tables), keys, values, "mask")
        return self._projected(attended, layer, "self_attn", "o")

    def _cross_attention(self, x: str, layer: int) -> str:
        query = self._projected(x, layer, "encoder_attn", "q")
        attended = self._attended(query, f"cross.{layer}.key", f"cross.{layer}.value")
        return self._projected(attended, layer, "encoder_attn", "o")

    def _heads(self, x: str, order: list[int]) -> str:
        split = self._builder.constant(np.array([0, 1, -1, HEADS, HEAD_SIZE]))
        return self._builder.node("Transpose", self._builder.node("Reshape", x, split), perm=order)

    def _grown(self, cache: str, new: str) -> str:
        """The cache with what is new in its place; adding to zero and multiplying by one are exact."""
        return self._builder.node("Add", f"past.{cache}", new, to=f"present.{cache}")

    def _attended(self, query: str, keys: str, values: str, mask: str | None = None) -> str:
        """One multiplication of a single row for each row, step and head; the query is scaled by its weight."""
        builder = self._builder
        rows = builder.node("Reshape", query, builder.constant(np.array([0, 0, HEADS, 1, HEAD_SIZE])))
        scores = builder.node("MatMul", rows, keys)
        if mask is not None:
            scores = builder.node("Add", scores, mask)
        attended = builder.node("MatMul", builder.node("Softmax", scores, axis=-1), values)
        return builder.node("Reshape", attended, builder.constant(np.array([0, 0, HEADS * HEAD_SIZE])))

    def _feed_forward(self, x: str, layer: int) -> str:
        widened = self._multiplied(x, f"/model/decoder/layers.{layer}/mlp/fc1/Add_output_0")
        up, gate = self._builder.nodes("Split", widened, to=(f"up.{layer}", f"gate.{layer}"), axis=-1, num_outputs=2)
        silu = self._builder.node("QuickGelu", gate, domain=MICROSOFT, alpha=1.0)
        gated = self._builder.node("Mul", silu, up)
        return self._multiplied(gated, f"/model/decoder/layers.{layer}/mlp/fc2/Add_output_0")

    def _projected(self, x: str, layer: int, attention: str, part: str) -> str:
        matrix = self._shipped.matrix(f"/model/decoder/layers.{layer}/{attention}/{part}_proj/MatMul_output_0")
        return self._linear(x, replace(matrix, scale=matrix.scale * _SCALE) if part == "q" else matrix)

    def _multiplied(self, x: str, output: str) -> str:
        return self._linear(x, self._shipped.matrix(output))

    def _normed(self, x: str, name: str) -> str:
        weight = self._shipped.input_of(f"/model/decoder/{name}/LayerNormalization_output_0", 1)
        return self._builder.node("LayerNormalization", x, self._builder.constant(weight), epsilon=_EPSILON, axis=-1)

    def _plus(self, x: str, y: str) -> str:
        return self._builder.node("Add", x, y)

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

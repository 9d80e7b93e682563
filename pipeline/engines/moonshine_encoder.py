"""The encoder's graph: the shipped one with its quantised multiplications replaced, and with the decoder's projections
of the encoder's output added, so that it gives the keys and values of the cross attention at once.
"""

import numpy as np

from pipeline.engines.graph_builder import GraphBuilder
from pipeline.engines.moonshine_decoder import cache_shape
from pipeline.engines.moonshine_shape import HEAD_SIZE, HEADS, LAYERS
from pipeline.engines.moonshine_weights import FUSED, SPLIT, Shipped


def encoder_graph(encoder: Shipped, decoder: Shipped) -> bytes:
    """Inputs: input_values (batch, samples) float32, attention_mask (batch, samples) int64. Outputs: cross.*."""
    builder = GraphBuilder(encoder.model)
    _replace_quantised(encoder, builder)
    del encoder.model.graph.output[:]
    split_heads = builder.constant(np.array([0, 1, -1, HEADS, HEAD_SIZE]))
    for layer in range(LAYERS):
        for part, order in (("key", [0, 1, 3, 4, 2]), ("value", [0, 1, 3, 2, 4])):
            matrix = decoder.matrix(f"/model/decoder/layers.{layer}/encoder_attn/{part[0]}_proj/MatMul_output_0")
            heads = builder.node("Reshape", builder.real_linear("last_hidden_state", matrix), split_heads)
            name = builder.node("Transpose", heads, to=f"cross.{layer}.{part}", perm=order)
            builder.floats_out(name, cache_shape(name))
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

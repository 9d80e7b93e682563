"""A folder as a user has it: the shipped model, its weights widened to float32, in the layout of exporters."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.engines.catalog import MOONSHINE_TINY_EN, locate
from pipeline.engines.moonshine_weights import FUSED, SPLIT, Shipped
from pipeline.engines.tokenizer import END_TOKEN, START_TOKEN

QUANTISED = (FUSED, SPLIT)


def write_float_folder(folder: Path) -> None:
    """Raises ModelMissing where the shipped model is not installed."""
    folder.mkdir()
    files = locate(MOONSHINE_TINY_EN)
    for name in ("encoder_model", "decoder_model_merged"):
        shipped = Shipped.read(files[f"{name}.ort"])
        widen(shipped)
        onnx.save(shipped.model, folder / f"{name}.onnx")
    shutil.copy(files["tokenizer.bin"], folder)
    (folder / "config.json").write_text(json.dumps({"decoder_start_token_id": START_TOKEN, "eos_token_id": END_TOKEN}))


def widen(shipped: Shipped) -> None:
    """Puts float32 multiplications in the place of quantised ones, also in the branches of the decoder."""
    graph = shipped.model.graph
    added: dict[str, TensorProto] = {}
    all_nodes = [node for one in graphs(graph) for node in one.node]
    real = {node.output[0]: node.input[0] for node in all_nodes if node.op_type == "DynamicQuantizeLinear"}
    for number, one in enumerate(graphs(graph)):
        one.name = one.name or f"graph_{number}"  # ONNX wants a name, onnxruntime's own format has none
        nodes = [made for node in one.node for made in widened(node, real, shipped, added)]
        del one.node[:]
        one.node.extend(nodes)
    graph.initializer.extend(added.values())
    used = {name for one in graphs(graph) for node in one.node for name in node.input}
    for one in graphs(graph):
        kept = [constant for constant in one.initializer if constant.name in used]
        del one.initializer[:]
        one.initializer.extend(kept)


def widened(
    node: onnx.NodeProto, real: dict[str, str], shipped: Shipped, added: dict[str, TensorProto]
) -> Iterator[onnx.NodeProto]:
    if node.op_type not in QUANTISED:
        if node.op_type != "DynamicQuantizeLinear":
            yield node
        return
    matrix = shipped.matrix_of(node)
    weight = f"{node.input[1]}_real"
    added[weight] = numpy_helper.from_array(matrix.real(), weight)
    product = node.output[0] if matrix.bias is None else f"{node.output[0]}_product"
    yield helper.make_node("MatMul", [real.get(node.input[0], node.input[0]), weight], [product], name=product)
    if matrix.bias is not None:
        bias = f"{node.input[1]}_bias"
        added[bias] = numpy_helper.from_array(matrix.bias, bias)
        yield helper.make_node("Add", [product, bias], [node.output[0]], name=node.output[0])


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs(attribute.g)

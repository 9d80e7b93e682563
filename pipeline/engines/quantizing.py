"""A folder of the user's own in 8 bits: ONNX Runtime's dynamic quantisation of its two graphs.

Weights become int8, a scale a matrix; activations are quantised while the graph runs, with one scale for all rows of a
batch. So such a model must run one stretch at a time, as the engine ``onnx`` runs every model.
"""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import onnx
from onnx import TensorProto
from onnxruntime.quantization import QuantType, quantize_dynamic

from pipeline.engines.model_folder import files_in
from pipeline.engines.onnx_folder import DECODER, ENCODER, FILES
from pipeline.errors import ModelMissing, SetupError

GRAPHS: Final = (ENCODER, DECODER)

_OPTIONS: Final = {
    "EnableSubgraph": True,  # the decoder's multiplications are inside the two branches of one node
    "MatMulConstBOnly": True,
    "DefaultTensorType": TensorProto.FLOAT,  # of what shape inference does not know, such as fused operators
}


def quantize_folder(source: Path, target: Path) -> None:
    """Writes the folder ``target``, ready to run. Raises ModelMissing, and SetupError where it exists already."""
    files = files_in(source, FILES, "onnx")
    if target.exists():
        raise SetupError(f"{target} exists already; name another folder, or remove it")
    target.mkdir(parents=True)
    for name, path in files.items():
        if name in GRAPHS:
            _quantize(path, target / name)
        else:
            shutil.copyfile(path, target / name)


def folder_bytes(folder: Path) -> int:
    """The size of all files in it."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def _quantize(source: Path, target: Path) -> None:
    logging.disable(logging.WARNING)  # it warns of every fused operator, and advises what has no use here
    try:
        quantize_dynamic(
            source,
            target,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul"],
            extra_options=_OPTIONS,
        )
    except Exception as exc:  # onnx and onnxruntime raise classes of their own, and RuntimeError
        raise ModelMissing(f"model file {source} cannot be quantised; is it in float32? {exc}") from exc
    finally:
        logging.disable(logging.NOTSET)
    _complete(target)


def _complete(path: Path) -> None:
    """Says float32 where the quantiser left a conversion without a type, as it does inside branches."""
    model = onnx.load(path)
    for node in _nodes(model.graph):
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.UNDEFINED:
                attribute.i = TensorProto.FLOAT
    onnx.save(model, path)


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)

"""From Moonshine's files to the graphs that run: made once, then read from the cache (graph_cache.py)."""

import os
from hashlib import sha256
from pathlib import Path
from typing import Final

import onnxruntime as ort

from pipeline.engines.byte_check import check_graph, signed_is_exact
from pipeline.engines.catalog import MOONSHINE_TINY_EN, locate
from pipeline.engines.graph_cache import GraphCache, cache_folder
from pipeline.engines.moonshine_shape import Weights
from pipeline.engines.tokenizer import Tokenizer

_ENCODER: Final = "encoder_model.ort"
_DECODER: Final = "decoder_model_merged.ort"
_MAKERS: Final = (
    "byte_check",
    "graph_builder",
    "moonshine_decoder",
    "moonshine_encoder",
    "moonshine_shape",
    "moonshine_weights",
    "products",
    "rotary",
)
"""The modules beside this one that the graphs follow from."""


class MoonshineFiles:
    """The model's files, found and checked. Raises ModelMissing."""

    def __init__(self) -> None:
        self._files = locate(MOONSHINE_TINY_EN)
        self._cache = GraphCache(cache_folder(os.environ), _key())

    def byte_weights(self) -> Weights:
        """The fastest bytes that this processor multiplies exactly."""
        graph = self._cache.graph("byte-check", check_graph)
        return Weights.SIGNED if signed_is_exact(graph) else Weights.UNSIGNED

    def encoder(self, weights: Weights) -> bytes:
        """The graph of ``moonshine_encoder.encoder_graph``. Raises ModelMissing."""
        return self._cache.graph(f"moonshine-encoder-{weights}", lambda: self._make_encoder(weights))

    def decoder(self, weights: Weights) -> bytes:
        """The graph of ``moonshine_decoder.decoder_graph``. Raises ModelMissing."""
        return self._cache.graph(f"moonshine-decoder-{weights}", lambda: self._make_decoder(weights))

    def tokenizer(self) -> Tokenizer:
        """Raises ModelMissing."""
        return Tokenizer.load(self._files["tokenizer.bin"])

    # What makes graphs imports the onnx package, a tenth of a second that a start from the cache is spared.

    def _make_encoder(self, weights: Weights) -> bytes:
        from pipeline.engines.moonshine_encoder import encoder_graph
        from pipeline.engines.moonshine_weights import Shipped

        return encoder_graph(Shipped.read(self._files[_ENCODER]), Shipped.read(self._files[_DECODER]), weights)

    def _make_decoder(self, weights: Weights) -> bytes:
        from pipeline.engines.moonshine_decoder import decoder_graph
        from pipeline.engines.moonshine_weights import Shipped

        return decoder_graph(Shipped.read(self._files[_DECODER]), weights)


def _key() -> str:
    """Changes with the model, with onnxruntime, which reads its files, and with every line that makes the graphs."""
    makers = b"".join(Path(__file__).with_name(f"{name}.py").read_bytes() for name in _MAKERS)
    return sha256(f"{MOONSHINE_TINY_EN.fingerprint} {ort.__version__} ".encode() + makers).hexdigest()[:16]

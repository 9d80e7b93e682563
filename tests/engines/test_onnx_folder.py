"""A Moonshine folder of the user's own says what the shipped model says, also in 8 bits; or what is wrong with it."""

import json
import shutil
from pathlib import Path

import pytest

from pipeline.domain.ports import Recognizer
from pipeline.domain.scoring import word_errors
from pipeline.domain.types import SAMPLE_RATE_HZ, Pcm
from pipeline.engines.base import EngineSettings, load_recognizer
from pipeline.engines.onnx_folder import FILES
from pipeline.engines.quantizing import folder_bytes, quantize_folder
from pipeline.errors import ModelMissing, SetupError
from tests.engines.onnx_folders import write_float_folder


@pytest.fixture(scope="module")
def float_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "mine"
    try:
        write_float_folder(folder)
    except ModelMissing as missing:
        pytest.skip(str(missing))
    return folder


def loaded(folder: Path) -> Recognizer:
    return load_recognizer(EngineSettings(recognizer="onnx", model=str(folder)))


def test_a_float_folder_says_what_the_shipped_model_says(
    float_folder: Path, moonshine: Recognizer, beckett: Pcm
) -> None:
    mine = loaded(float_folder)
    assert mine.name == "mine"
    assert mine.recognize([beckett])[0].text == moonshine.recognize([beckett])[0].text


def test_a_hypothesis_is_the_same_alone_and_in_a_batch(float_folder: Path, beckett: Pcm) -> None:
    mine, pieces = loaded(float_folder), [beckett[: 2 * SAMPLE_RATE_HZ], beckett[-2 * SAMPLE_RATE_HZ :]]
    assert mine.recognize(pieces) == [mine.recognize([piece])[0] for piece in pieces]


def test_in_8_bits_it_is_smaller_and_understands_much_the_same(
    float_folder: Path, tmp_path: Path, beckett: Pcm
) -> None:
    quantize_folder(float_folder, tmp_path / "int8")
    small, large = loaded(tmp_path / "int8"), loaded(float_folder)
    assert folder_bytes(tmp_path / "int8") < folder_bytes(float_folder) / 2
    assert small.version != large.version
    heard, wanted = small.recognize([beckett])[0].text, large.recognize([beckett])[0].text
    assert word_errors(wanted, heard).rate < 0.2


def test_a_quantised_folder_is_not_written_over_another(float_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="exists already; name another folder"):
        quantize_folder(float_folder, tmp_path)


def test_no_folder_is_asked_for() -> None:
    with pytest.raises(SetupError, match="VOXFLOW_RECOGNIZER=onnx needs the folder of a model: set VOXFLOW_MODEL"):
        load_recognizer(EngineSettings(recognizer="onnx"))


def test_missing_files_are_named_with_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("")
    with pytest.raises(
        ModelMissing, match=r"lacks encoder_model\.onnx, .*tokenizer\.json or tokenizer\.bin.*model\.onn"
    ):
        loaded(tmp_path)


def test_a_graph_that_is_none_is_named(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name.split("|")[0]).write_text("{}")
    with pytest.raises(ModelMissing, match=r"encoder_model\.onnx cannot be read by onnxruntime"):
        loaded(tmp_path)


def test_a_graph_with_other_inputs_is_told_what_was_expected(float_folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(float_folder, tmp_path / "other")
    shutil.copy(other / "encoder_model.onnx", other / "decoder_model_merged.onnx")
    with pytest.raises(ModelMissing, match="expected the inputs .*input_ids.*, found attention_mask, input_values"):
        loaded(other)


def test_a_configuration_without_the_tokens_is_named(float_folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(float_folder, tmp_path / "other")
    (other / "config.json").write_text(json.dumps({"eos_token_id": 2}))
    with pytest.raises(ModelMissing, match=r"config\.json: expected whole numbers for decoder_start_token_id and eos"):
        loaded(other)


def test_a_model_for_the_engine_that_has_its_own_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SetupError, match="the engine moonshine has its own model; set VOXFLOW_RECOGNIZER=whisper or on"
    ):
        load_recognizer(EngineSettings(model=str(tmp_path)))

"""Engine settings come from the environment, and what cannot work is refused with its cure."""

import onnxruntime
import pytest

from pipeline.engines.base import EngineSettings, load_recognizer
from pipeline.errors import ProviderMissing, SetupError


def test_every_setting_can_be_set() -> None:
    environ = {
        "VOXFLOW_PROVIDER": "cuda",
        "VOXFLOW_ENGINE_THREADS": "2",
        "VOXFLOW_BATCH_SIZE": "16",
        "VOXFLOW_QUEUE_LIMIT": "99",
        "VOXFLOW_ENGINE_WORKERS": "3",
        "VOXFLOW_ENGINE_ATTEMPTS": "5",
        "VOXFLOW_ENGINE_CALL_TIMEOUT_MS": "7000",
        "VOXFLOW_RECOGNIZER": "my.engines:load",
        "VOXFLOW_MODEL": "my-model",
        "VOXFLOW_PRECISION": "int8",
        "VOXFLOW_ENGINE_LANGUAGE": "de",
        "VOXFLOW_FALLBACK": "whisper",
        "VOXFLOW_FALLBACK_MODEL": "their-model",
        "VOXFLOW_BREAKER_PAUSE_MS": "3000",
    }
    assert EngineSettings.from_environ(environ) == EngineSettings(
        "cuda", 3, 2, 16, 99, 5, 7_000, "my.engines:load", "my-model", "int8", "de", "whisper", "their-model", 3_000
    )


def test_an_empty_environment_gives_the_defaults() -> None:
    assert EngineSettings.from_environ({}) == EngineSettings()


def test_the_fallback_has_its_own_engine_and_model_and_no_fallback() -> None:
    settings = EngineSettings(threads=3, model="mine", fallback="onnx", fallback_model="theirs", recognizer="whisper")
    assert settings.of_fallback() == EngineSettings(threads=3, model="theirs", recognizer="onnx")
    assert EngineSettings().of_fallback() is None


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"VOXFLOW_PROVIDER": "tpu"}, "VOXFLOW_PROVIDER='tpu' is unknown; use one of cpu, cuda"),
        ({"VOXFLOW_BATCH_SIZE": "0"}, "batch_size=0 must be at least 1"),
        ({"VOXFLOW_ENGINE_CALL_TIMEOUT_MS": "0"}, "call_timeout_ms=0 must be at least 1"),
        ({"VOXFLOW_PRECISION": "int4"}, "VOXFLOW_PRECISION='int4' is unknown; use one of float32, int8, float16"),
        ({"VOXFLOW_FALLBACK_MODEL": "mine"}, "VOXFLOW_FALLBACK_MODEL=mine is no use without VOXFLOW_FALLBACK"),
        ({"VOXFLOW_ENGINE_THREADS": "two"}, "VOXFLOW_ENGINE_THREADS='two' is not a whole number"),
    ],
)
def test_what_cannot_work_is_refused(environ: dict[str, str], complaint: str) -> None:
    with pytest.raises(SetupError, match=complaint):
        EngineSettings.from_environ(environ)


def test_a_provider_that_is_not_installed_names_the_cure() -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has the CUDA provider")
    with pytest.raises(ProviderMissing, match=r"pip install 'voxflow\[gpu\]'"):
        load_recognizer(EngineSettings(provider="cuda"))

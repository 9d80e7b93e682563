"""An engine of one's own, by name; and what is said where the name, or the engine, is wrong."""

import sys
from pathlib import Path

import pytest

from pipeline.engines.base import EngineSettings, load_recognizer
from pipeline.errors import SetupError
from pipeline.testing import ScriptedRecognizer

ENGINES = """
import pipeline.testing

def load(settings):
    return pipeline.testing.ScriptedRecognizer(name=f"mine, {settings.threads} threads")

def nothing(settings):
    return None

class Deaf:
    name, version, max_samples = "deaf", 1, 16_000

    def recognize(self, batch): ...
    def warm_up(self): ...

def deaf(settings):
    return Deaf()

number = 7
"""


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's two modules; one of them needs a third, which is not installed."""
    (tmp_path / "my_engines.py").write_text(ENGINES)
    (tmp_path / "my_needy_engines.py").write_text("import my_toolkit.audio")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("my_engines", "my_needy_engines"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_the_engine_is_made_by_the_named_function_from_the_settings() -> None:
    made = load_recognizer(EngineSettings(threads=3, recognizer="my_engines:load"))
    assert (type(made), made.name) == (ScriptedRecognizer, "mine, 3 threads")


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("my_engines", "names no function; expected package.module:function"),
        ("my_engines.load", "names no function; expected package.module:function"),
        ("their_engines:load", "there is no module 'their_engines'; install it in the Python that runs the job"),
        ("my_needy_engines:load", "there is no module 'my_toolkit'; install it in the Python that runs the job"),
        ("my_engines:lod", "my_engines has no 'lod'"),
        ("my_engines:number", "names no function, but a value of type int"),
        ("my_engines:nothing", "returned a NoneType without name: str, version: str, max_samples: int, canonical_"),
        ("my_engines:deaf", r"returned a Deaf without version: str, canonical_samples\(\); it must return a Recog"),
    ],
)
def test_what_is_wrong_is_said(spec: str, complaint: str) -> None:
    with pytest.raises(SetupError, match=f"^VOXFLOW_RECOGNIZER='{spec}'.*{complaint}"):
        load_recognizer(EngineSettings(recognizer=spec))

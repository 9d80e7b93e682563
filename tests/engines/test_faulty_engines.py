"""The engines that fail on purpose: the same calls every time, and otherwise the engine that they stand for."""

from itertools import count

import pytest

from pipeline.domain.ports import Recognizer
from pipeline.engines.base import EngineSettings, load_recognizer
from pipeline.errors import EngineError, ModelMissing
from pipeline.testing import FaultyRecognizer, ScriptedRecognizer, babbles, drawn, hangs, raises
from tests.engines.test_recognizer_contract import murmur

SOUND = murmur(1, 16_000)
TEXT = ScriptedRecognizer().recognize([SOUND])


def test_the_same_share_of_all_calls_is_drawn_every_time() -> None:
    struck = [number for number in range(1_000) if drawn(30, seed=1)(number)]
    assert 250 < len(struck) < 350
    assert struck == [number for number in range(1_000) if drawn(30, seed=1)(number)]
    assert struck != [number for number in range(1_000) if drawn(30, seed=2)(number)]


def test_calls_that_are_not_struck_are_the_engines_own() -> None:
    engine = FaultyRecognizer(ScriptedRecognizer(), drawn(0), raises)
    assert (engine.recognize([SOUND]), engine.name, engine.canonical_samples(1)) == (TEXT, "scripted", 8_000)


def test_a_call_that_is_struck_raises() -> None:
    with pytest.raises(EngineError, match="a fault on purpose, for a batch of 2"):
        FaultyRecognizer(ScriptedRecognizer(), drawn(100), raises).recognize([SOUND, SOUND])


def test_a_call_that_babbles_gives_anything_but_an_answer() -> None:
    engine = FaultyRecognizer(ScriptedRecognizer(), drawn(100), babbles)
    answers = [engine.recognize([SOUND]) for _ in range(4)]
    kinds = {None if answer is None else (len(answer), *map(type, answer)) for answer in answers}
    assert kinds == {(0,), (2, *[type(TEXT[0])] * 2), None, (1, str)}


def test_a_call_that_hangs_comes_back_with_its_answer() -> None:
    assert FaultyRecognizer(ScriptedRecognizer(), drawn(100), hangs(ms=1)).recognize([SOUND]) == TEXT


def test_an_engine_in_place_of_another_goes_on_counting_where_that_stopped() -> None:
    calls = count()
    for _ in range(2):
        FaultyRecognizer(ScriptedRecognizer(), drawn(0), raises, calls).recognize([SOUND])
    assert next(calls) == 2


def test_moonshine_can_be_had_with_faults_that_the_environment_describes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXFLOW_FAULT_PERCENT", "100")
    engine = _loaded("pipeline.testing:raising_moonshine")
    engine.warm_up()
    with pytest.raises(EngineError, match="a fault on purpose"):
        engine.recognize([SOUND])


def _loaded(spec: str) -> Recognizer:
    try:
        return load_recognizer(EngineSettings(recognizer=spec))
    except ModelMissing as missing:
        pytest.skip(str(missing))

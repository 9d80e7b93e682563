"""Which texts a session asks for when the engines are busy, or the job lags: fewer partials, and the same finals."""

from dataclasses import replace

import pytest

from pipeline.domain.actions import Action
from pipeline.domain.cadence import CadenceSettings, Load, Pace
from pipeline.domain.session import SessionSettings
from pipeline.domain.track import TrackSettings
from pipeline.domain.types import InferenceRequest, Received, RequestKind, StageTimes
from tests.domain.helpers import chunks_of, heard, requests, session_of, talk

SENTENCE = talk("silence 1000", "speech 3000", "silence 1000")
ONE_PACE = SessionSettings(track=TrackSettings(cadence=CadenceSettings((Pace(300, 450),) * 3)))
"""Under any load but a full one: four partials in two seconds of speech."""


def test_partials_are_asked_for_while_speech_goes_on() -> None:
    actions = heard(session_of(ONE_PACE), chunks_of(talk("speech 2000"), ends=False))
    assert [each.kind for each in requests(actions)] == [RequestKind.PARTIAL] * 4


def late(items: list[Received], lag_ms: int) -> list[Received]:
    """``items`` as a job meets them that lags so far behind the topic."""
    return [replace(item, stored_at_ms=item.at_ms - lag_ms) for item in items]


def test_partials_are_withheld_from_a_job_that_lags() -> None:
    session, items = session_of(ONE_PACE), chunks_of(talk("speech 2000"), ends=False)
    assert requests(heard(session, late(items, lag_ms=2_000))) == []
    assert session.partials_withheld() == 4


def test_partials_are_asked_for_up_to_the_lag_that_is_allowed() -> None:
    session, items = session_of(ONE_PACE), chunks_of(talk("speech 2000"), ends=False)
    assert len(requests(heard(session, late(items, lag_ms=1_999)))) == 4
    assert session.partials_withheld() == 0


def test_partials_come_again_when_the_lag_is_worked_off() -> None:
    items = chunks_of(talk("speech 2000"), ends=False)
    asked = requests(heard(session_of(ONE_PACE), late(items[:10], lag_ms=5_000) + late(items[10:], lag_ms=0)))
    assert [each.revision for each in asked] == [2, 3]


def under(load: Load, items: list[Received]) -> list[Action]:
    """What a session does while its engines are under that load."""
    session = session_of(SessionSettings())
    return [action for item in items for action in session.receive(item, item.at_ms, load)]


def test_the_busier_the_engines_the_fewer_partials() -> None:
    asked = [len(requests(under(load, chunks_of(talk("speech 6000"), ends=False)))) for load in Load]
    assert asked == sorted(asked, reverse=True)
    assert len(set(asked)) == len(Load)
    assert asked[-1] == 0


HESITATION = talk("silence 1000", "speech 2000", "silence 224", "speech 1000", "silence 1000")


@pytest.mark.parametrize("load", Load)
def test_the_load_changes_no_final_and_no_number_of_one(load: Load) -> None:
    def found(load: Load) -> list[Action]:
        return [told(each) for each in under(load, chunks_of(HESITATION)) if not is_partial(each)]

    assert found(load)[-3:] == found(Load.BUSY)[-3:]


def told(action: Action) -> Action:
    """An early final that turns out to be one says the same as a final."""
    if not isinstance(action, InferenceRequest):
        return action
    return replace(action, kind=RequestKind.FINAL, times=StageTimes())


def test_early_finals_wait_for_the_end_to_be_certain_under_a_full_load() -> None:
    def kinds(load: Load) -> list[RequestKind]:
        return [each.kind for each in requests(under(load, chunks_of(HESITATION))) if not is_partial(each)]

    assert kinds(Load.TIGHT) == [RequestKind.EARLY_FINAL, RequestKind.EARLY_FINAL]
    assert kinds(Load.FULL) == [RequestKind.FINAL]


def is_partial(action: Action) -> bool:
    return isinstance(action, InferenceRequest) and action.kind is RequestKind.PARTIAL


def test_finals_are_asked_for_however_late_it_is() -> None:
    asked = requests(heard(session_of(), late(chunks_of(SENTENCE), lag_ms=900_000)))
    assert [each.kind for each in asked] == [RequestKind.FINAL]

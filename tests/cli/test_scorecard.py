"""What a demonstration showed."""

import json
from pathlib import Path

from pipeline.cli.demo import REFERENCE
from pipeline.cli.scorecard import scorecard
from pipeline.domain.scoring import normalized
from tests.client.helpers import arrival, final, partial, session_end

ARRIVALS = [
    arrival(partial(segment=0, start_ms=0, text="it was"), 1_500),
    arrival(final(segment=1, start_ms=2_000, end_ms=3_000, text="the worst of times."), 4_200),
    arrival(final(segment=0, start_ms=0, end_ms=1_000, text="It was the best of times,"), 2_300),
    arrival(final(segment=2, start_ms=4_000, end_ms=5_000, text=""), 6_250),
    arrival(session_end(), 6_300),
]
REFERENCE_TEXT = "It was the best of times, it was the worst of times"


def test_finals_are_put_in_the_order_of_their_audio_and_scored() -> None:
    card = scorecard(ARRIVALS, "s", 1_000, REFERENCE_TEXT, 6.0)
    assert card.transcript == "It was the best of times, the worst of times."
    assert card.errors.deletions == card.errors.total == 2
    assert card.problem is not None


def test_the_record_has_the_waits_in_milliseconds(tmp_path: Path) -> None:
    card = scorecard(ARRIVALS, "s", 1_000, card_text(), 6.0)
    card.write(tmp_path / "new" / "demo.json")
    record = json.loads((tmp_path / "new" / "demo.json").read_text())
    assert record["wer"] == 0
    assert record["finals"] == 3
    assert record["first_partial_ms"] == {"p50": 500, "p95": 500}
    assert record["final_ms"]["p50"] == 250
    assert card.problem is None


def test_silence_where_speech_was_expected_is_a_failure() -> None:
    assert "no final" in (scorecard([], "s", 0, REFERENCE_TEXT, 6.0).problem or "")


def test_the_reference_is_the_whole_paragraph() -> None:
    assert len(normalized(REFERENCE.read_text()).split()) == 119


def card_text() -> str:
    return "it was the best of times the worst of times"

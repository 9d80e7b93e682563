"""Nonsense from an engine is refused where it comes in."""

from typing import Any

import pytest

from pipeline.domain.types import Hypothesis, Word
from pipeline.engines.answers import checked
from pipeline.errors import EngineError

GOOD = Hypothesis("good", (Word("good", 0.5, 0, 300),))


def test_a_proper_answer_is_handed_on() -> None:
    assert checked((GOOD, Hypothesis("")), 2, "engine") == [GOOD, Hypothesis("")]


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (None, "engine gave None for a batch of 2; expected a list of Hypothesis"),
        ("ab", "engine gave 'ab' for a batch of 2"),
        ([GOOD], "engine gave 1 texts for a batch of 2; expected one for each"),
        ([GOOD] * 3, "engine gave 3 texts for a batch of 2"),
        ([GOOD, "text"], "engine gave 'text' as text 1 of 2; expected a Hypothesis"),
        ([GOOD, None], "engine gave None as text 1 of 2"),
        ([GOOD, Hypothesis(None)], "as text 1 of 2"),  # type: ignore[arg-type]
        ([GOOD, Hypothesis("half a pair \ud83d")], r"half a pair \\ud83d"),
        ([GOOD, Hypothesis("list", ["list"])], "as text 1 of 2"),  # type: ignore[arg-type]
        ([GOOD, Hypothesis("str", ("str",))], "as text 1 of 2"),  # type: ignore[arg-type]
        ([GOOD, Hypothesis("sure", (Word("sure", 1.5),))], "as text 1 of 2"),
        ([GOOD, Hypothesis("nan", (Word("nan", float("nan")),))], "as text 1 of 2"),
        ([GOOD, Hypothesis("when", (Word("when", None, 0.5),))], "as text 1 of 2"),  # type: ignore[arg-type]
        ([GOOD, Hypothesis("units", tokens=["u"])], "as text 1 of 2"),  # type: ignore[arg-type]
        ([GOOD, Hypothesis("units", tokens=("u",))], "as text 1 of 2"),  # type: ignore[arg-type]
    ],
)
def test_anything_else_is_refused_by_what_it_is(answer: Any, complaint: str) -> None:
    with pytest.raises(EngineError, match=complaint):
        checked(answer, 2, "engine")

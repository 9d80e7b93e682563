"""What every test of an operator starts with."""

import pytest

from pipeline.flink.load_board import LoadBoard


@pytest.fixture(autouse=True)
def board(monkeypatch: pytest.MonkeyPatch) -> LoadBoard:
    """An empty board in the place of the process's own, on which earlier tests have told of their engines."""
    made = LoadBoard()
    monkeypatch.setattr("pipeline.flink.session_function.BOARD", made)
    monkeypatch.setattr("pipeline.flink.inference_function.BOARD", made)
    return made

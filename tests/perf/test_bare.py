"""Batches for an engine that has nothing around it."""

from collections.abc import Sequence

import numpy as np

from perf.bare import batched, run
from perf.stretches import Listener
from pipeline.domain.types import Pcm


def stretches(*lengths: int) -> list[Pcm]:
    return [np.zeros(length, np.float32) for length in lengths]


def lengths(batches: Sequence[Sequence[Pcm]]) -> list[list[int]]:
    return [[len(one) for one in batch] for batch in batches]


def test_a_batch_has_one_length_and_no_more_rows_than_asked_for() -> None:
    assert lengths(batched(Listener(), stretches(5, 9, 5, 5), size=2)) == [[9], [5, 5], [5]]


def test_workers_recognise_everything_once() -> None:
    listener = Listener()
    run(listener, [stretches(1, 2), stretches(3), stretches(4)], workers=2)
    assert sorted(map(len, listener.stretches)) == [1, 2, 3, 4]

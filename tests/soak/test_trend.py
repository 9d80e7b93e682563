"""Slopes and what may be said of them."""

import numpy as np
import pytest

from tests.soak.trend import Judgement, Trend, trend

MINUTES = [60.0 * number for number in range(61)]


def test_a_line_without_noise_has_its_slope_and_no_error() -> None:
    found = trend(MINUTES, [100 + at_s / 3600 * 2 for at_s in MINUTES])
    assert found.slope == pytest.approx(2)
    assert found.error == pytest.approx(0, abs=1e-6)


def test_the_true_slope_lies_within_two_errors_of_most_noisy_samples() -> None:
    chance = np.random.default_rng(1)
    found = [
        trend(MINUTES, [at_s / 3600 + noise for at_s, noise in zip(MINUTES, chance.normal(0, 5, 61), strict=True)])
        for _ in range(200)
    ]
    assert sum(abs(one.slope - 1) < 2 * one.error for one in found) > 180


def test_the_same_samples_in_steps_widen_the_error() -> None:
    chance = np.random.default_rng(1)
    steps = np.repeat(chance.normal(0, 1, 13), 5)[:61]
    mixed = chance.permutation(steps)
    assert trend(MINUTES, list(steps)).error > 1.5 * trend(MINUTES, list(mixed)).error


@pytest.mark.parametrize(
    ("slope", "error", "judgement"),
    [
        (0.2, 0.3, Judgement.HOLDS),
        (0.8, 0.3, Judgement.UNSURE),
        (1.5, 0.3, Judgement.UNSURE),
        (2.0, 0.3, Judgement.GROWS),
    ],
)
def test_a_judgement_asks_for_two_errors_between_slope_and_limit(
    slope: float, error: float, judgement: Judgement
) -> None:
    assert Trend(slope, error).judgement(1.0) is judgement


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="2 samples.*longer run"):
        trend([0, 5], [1, 2])

"""What a detector is asked: thresholds by false alarms an hour, and old descriptions of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

from sweepnet_service.detectors.keyword import KeywordDetector, OperatingPoint
from sweepnet_service.errors import InvalidInput

POINTS = (
    OperatingPoint(0.9, 0.1, 0.3, 5.0),
    OperatingPoint(0.7, 0.5, 0.2, 5.0),
    OperatingPoint(0.2, 10.0, 0.05, 5.0),
)


@pytest.fixture(scope="module")
def measured(detector: KeywordDetector) -> KeywordDetector:
    return replace(detector, operating_points={"welcome": POINTS})


def test_a_kept_rate_has_its_kept_threshold(measured: KeywordDetector) -> None:
    for point in POINTS:
        found = measured.threshold_for("welcome", point.false_alarms_per_hour)
        assert found == pytest.approx(point.threshold, rel=1e-12)


@given(share=st.floats(0, 1))
def test_between_two_points_the_log_odds_are_linear_in_the_log_rate(
    measured: KeywordDetector, share: float
) -> None:
    rarer, oftener = POINTS[1:]
    rate = rarer.false_alarms_per_hour * (20**share)
    expected = (1 - share) * logit(rarer.threshold) + share * logit(oftener.threshold)
    threshold = measured.threshold_for("welcome", min(rate, 10.0))
    assert logit(threshold) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("rate", [0.0, 0.099, 10.1, -1.0, float("nan"), float("inf")])
def test_a_rate_that_was_not_measured_is_refused_with_the_range(
    measured: KeywordDetector, rate: float
) -> None:
    with pytest.raises(InvalidInput, match=r"'welcome'; its model measured 0.1 to 10 false"):
        measured.threshold_for("welcome", rate)


def test_a_model_without_operating_points_says_so(detector: KeywordDetector) -> None:
    with pytest.raises(InvalidInput, match="its model does not know"):
        detector.threshold_for("welcome", 1.0)


def test_thresholds_are_the_chosen_then_the_rates_then_the_models(
    measured: KeywordDetector,
) -> None:
    assert measured.thresholds({}) == measured.default_thresholds
    assert measured.thresholds({"welcome": 0.3}, 0.5) == {"welcome": 0.3}
    assert measured.thresholds({}, 0.5)["welcome"] == pytest.approx(0.7)


def test_a_rate_of_which_less_than_one_alarm_was_to_be_expected_is_extrapolated() -> None:
    assert [point.extrapolated for point in POINTS] == [True, False, False]
    assert OperatingPoint(0.5, 1.0, 0.1).extrapolated


def test_points_of_old_files_lack_hours_and_load(measured: KeywordDetector) -> None:
    """Model files of the first release."""
    description = measured.describe()
    old = [{k: v for k, v in vars(p).items() if k != "measured_hours"} for p in POINTS]
    description["operating_points"] = {"welcome": old}
    loaded = KeywordDetector.from_description(measured.net, description)
    assert [point.measured_hours for point in loaded.operating_points["welcome"]] == [0.0] * 3
    assert np.isclose(loaded.threshold_for("welcome", 0.5), 0.7)

"""Calibration of peaks whose probabilities are known, and thresholds by false alarms an hour."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from cnn_core.arrays import Array
from cnn_core.layers import Sequential
from sweepnet_service.detectors.keyword import KeywordDetector, Placement, card
from sweepnet_service.detectors.keyword.assembly import Calibrated
from sweepnet_service.detectors.keyword.calibration import cross_validated, platt, reliability
from sweepnet_service.detectors.keyword.dataset import Recording
from sweepnet_service.detectors.keyword.detector import FEWEST_HOURS
from sweepnet_service.detectors.keyword.evaluate import Alarms, Decider, Heard
from sweepnet_service.detectors.keyword.evaluate.heard import peaks
from sweepnet_service.detectors.keyword.evaluate.peaks import heard_peaks, log_odds
from sweepnet_service.detectors.keyword.evaluate.report import report_of
from sweepnet_service.detectors.keyword.held_out import HeldOut
from sweepnet_service.detectors.keyword.tuning import (
    RATES,
    by_misses,
    rescaled,
    tail,
    tuned,
)
from sweepnet_service.errors import InvalidInput
from tests.keyword.words import with_label


def drawn(seed: int, words: int, others: int, spread: float = 3.0) -> tuple[Array, Array]:
    """Log likelihood ratios of peaks: of two normal distributions they are the values themselves,
    where their means are half their variance from 0.
    """
    rng = np.random.default_rng(seed)
    middle = spread**2 / 2
    return rng.normal(middle, spread, words), rng.normal(-middle, spread, others)


@given(scale=st.floats(0.2, 4), offset=st.floats(-20, 20))
@settings(max_examples=20, deadline=None)
def test_known_probabilities_are_found_again(scale: float, offset: float) -> None:
    """Whatever affine map hid them; there are five times as many others as words."""
    words, others = drawn(0, 4_000, 20_000)
    found, shift = platt((words - offset) / scale, (others - offset) / scale)
    assert found == pytest.approx(scale, rel=0.05)
    assert shift == pytest.approx(offset, abs=0.3 + 0.05 * abs(offset))


@given(
    words=st.lists(st.floats(-20, 20), min_size=1, max_size=5),
    others=st.lists(st.floats(-20, 20), min_size=1, max_size=5),
)
@settings(max_examples=50, deadline=None)
def test_the_order_of_scores_is_kept_whatever_the_peaks(
    words: list[float], others: list[float]
) -> None:
    """Parted by a gap, mixed, or the wrong way round."""
    scale, offset = platt(np.array(words), np.array(others))
    assert scale > 0
    assert np.isfinite(offset)


def test_few_words_far_away_are_not_believed_beyond_their_number() -> None:
    """Platt's targets: n words that were all found are n + 1 of n + 2."""
    scale, offset = platt(np.full(3, 15.0), np.full(3, -15.0))
    assert expit(scale * 15 + offset) == pytest.approx(4 / 5, abs=0.01)


def test_reliable_scores_have_no_error_and_doubled_ones_do() -> None:
    words, others = drawn(1, 5_000, 20_000)
    right = reliability(expit(words), expit(others))
    assert right.error < 0.01
    assert 0 < right.bits < 1
    for each in right.bins:
        assert each.share == pytest.approx(each.score, abs=0.08)
    assert reliability(expit(3 * words), expit(3 * others)).error > 0.03
    assert sum(each.words for each in right.bins) == 5_000
    flat = reliability(np.full(10, 0.5), np.full(90, 0.5))
    assert (flat.error, flat.bits) == pytest.approx((0, 1))


def test_calibration_is_measured_on_voices_it_was_not_fitted_to() -> None:
    """A voice whose words all sound like nothing is told as an error."""
    words, others = drawn(2, 1_000, 4_000)
    voices, strangers = [f"v{k % 20}" for k in range(1_000)], [f"v{k % 20}" for k in range(4_000)]
    honest = cross_validated(0.5 * words, voices, 0.5 * others, strangers)
    assert honest is not None
    assert honest.error < 0.03
    worse = np.where(np.array(voices) == "v3", -10.0, words)
    told = cross_validated(0.5 * worse, voices, 0.5 * others, strangers)
    assert told is not None
    assert told.bits > honest.bits + 0.02
    assert cross_validated(words, ["me"] * 1_000, others, ["you"] * 4_000) is None


@given(seed=st.integers(0, 99), count=st.floats(0.01, 25))
@settings(max_examples=50, deadline=None)
def test_a_tail_tells_what_as_much_speech_again_brings(seed: int, count: float) -> None:
    """Of an exponential; it falls to the lowest alarm that it is fitted to."""
    high = np.sort(2 * np.random.default_rng(seed).exponential(1.0, 4_000))[::-1][:26]
    cut = tail(high, count)
    error = 2 / np.sqrt(25) * (1 + np.log(25 / count))
    assert cut == pytest.approx(2 * np.log(4_000 / count), abs=4 * error)
    assert tail(high, 25.5) == high[-1] <= cut <= tail(high, count / 2)


def test_one_loud_alarm_does_not_choose_the_threshold(detector: KeywordDetector) -> None:
    """A count of one would hang on it alone: 0.99 and a third of the words missed, where an hour
    of other speech brings one false alarm at 0.86.
    """
    words, others = drawn(11, 200, 1_200)
    spoken = heard(detector, words, True)
    usual = tuned(detector, "welcome", spoken, heard(detector, others, False))
    others[0] = 14.0
    loud = tuned(detector, "welcome", spoken, heard(detector, others, False))
    before, after = (
        log_odds(np.array(each.threshold_for("welcome", 1.0))) for each in (usual, loud)
    )
    assert before < after < before + 2


def test_without_hours_of_speech_the_threshold_parts_words_from_the_rest() -> None:
    words, rest = np.linspace(2, 12, 101), np.linspace(-8, 1, 50)[::-1]
    cuts, default = by_misses(words, rest)
    assert default == pytest.approx(3.0)  # a tenth is missed, which is above all the rest
    assert cuts == pytest.approx([5, 4, 3, 2.5])
    assert by_misses(words, np.append(rest, 5.0))[1] == pytest.approx(3.0)


def test_peaks_of_a_long_recording_are_all_found() -> None:
    values = np.zeros(100_000)
    values[50::100] = np.arange(1_000)
    kept = [float(values[index]) for index in peaks(values, 40)]
    assert [peak for peak in kept if peak > 0] == list(range(999, 0, -1))


def recording(speaker: str, word_s: tuple[float, float] | None = None) -> Recording:
    return Recording(Path("x"), 0.0, 3.0, "validation", speaker, "", "", "", word_s=word_s)


def heard(detector: KeywordDetector, peaks: Array, said: bool) -> list[Heard]:
    """Recordings of 3 s whose score stands at each peak for a moment, in their middle."""
    told = []
    for number, peak in enumerate(peaks):
        scores = np.full(150, expit(-12.0), np.float32)
        scores[75] = expit(peak)
        first_s = 75 * detector.hop_s - detector.padding_samples / detector.rate_hz
        word_s = (first_s + 0.5, first_s + 1.0) if said else None
        told.append(Heard(recording(f"v{number % 10}", word_s), 3.0, scores))
    return told


@pytest.fixture(scope="module")
def two(detector: KeywordDetector) -> KeywordDetector:
    placed = replace(detector, placements={"welcome": Placement(0.5, 1.0)})
    return with_label(placed, "bed", heads=(), spellings=((11, 3),))


@pytest.mark.parametrize("label", ["welcome", "bed"])
def test_a_tuned_label_is_calibrated_and_keeps_its_operating_points(
    two: KeywordDetector, label: str
) -> None:
    words, others = drawn(4, 300, 3_000)
    spoken, rest = heard(two, 0.5 * words + 1, True), heard(two, 0.5 * others + 1, False)
    found = tuned(two, label, spoken, rest)

    before = Calibrated.of(two.net, 2)
    after = Calibrated.of(found.net, 2)
    place = two.labels.index(label)
    scale, offset = platt(*peaks_of(two, label, spoken, rest))
    assert scale > 1.5
    assert after.scale[place] == pytest.approx(scale * before.scale[place], rel=1e-5)
    assert after.offset[place] == pytest.approx(scale * before.offset[place] + offset, rel=1e-5)
    assert after.scale[1 - place] == before.scale[1 - place]
    assert after.offset[1 - place] == before.offset[1 - place]

    points = found.operating_points[label]
    assert [point.false_alarms_per_hour for point in points] == list(RATES)
    assert {round(point.measured_hours, 3) for point in points} == {2.5}
    assert [point.extrapolated for point in points] == [rate < 0.4 for rate in RATES]
    assert found.default_thresholds[label] == found.threshold_for(label, 1.0)
    told = found.card["calibration"][label]
    text = "\n".join(card.score_lines(told))
    assert "Platt scaling of 300 words" in text
    assert text.count("expected calibration error") == 1
    assert (told["words"], told["prior"]) == (300, 0.5)
    assert told["reliability"]["error"] < 0.05


def test_a_threshold_for_a_rate_is_one_at_which_the_deployed_decision_tells_it(
    detector: KeywordDetector,
) -> None:
    """Two peaks half a second apart with a deep dip between were one for the thresholds, as peaks
    a second apart are, and two events for a listener: twice the rate that was asked for.
    """
    words, others = drawn(7, 200, 3_000)
    spoken, rest = heard(detector, words, True), heard(detector, others, False)
    again = round(0.7 / detector.hop_s)
    for each in rest:
        each.scores[75 + again] = each.scores[75]
    found = tuned(detector, "welcome", spoken, rest)

    _, _, scale, offset = *peaks_of(detector, "welcome", spoken, rest), *fitted(found, detector)
    alarms = Alarms(found, "welcome", rescaled(rest, scale, offset))
    shown = [each for each in found.operating_points["welcome"] if not each.extrapolated]
    assert [each.false_alarms_per_hour for each in shown] == [0.5, 1, 2, 5, 10]
    for point in shown:
        expected = point.false_alarms_per_hour * alarms.hours
        assert alarms.count(point.threshold) == pytest.approx(expected, rel=0.3, abs=1.5)
        rule = Decider(found, "welcome", point.threshold)
        lost = [not rule.found(each) for each in rescaled(spoken, scale, offset)]
        assert point.miss_rate == np.mean(lost)
    cuts = [each.threshold for each in found.operating_points["welcome"]]
    assert cuts == sorted(cuts, reverse=True)


def fitted(after: KeywordDetector, before: KeywordDetector) -> tuple[float, float]:
    """Scale and offset between the log odds of two detectors of one label."""
    new, old = Calibrated.of(after.net, 1), Calibrated.of(before.net, 1)
    scale = float(new.scale[0] / old.scale[0])
    return scale, float(new.offset[0] - scale * old.offset[0])


def test_hours_behind_a_rate_are_of_speech_alone(detector: KeywordDetector) -> None:
    """An hour of quiet noise beside half an hour of speech once made rates a third of what was
    asked for; loud noise told nothing of speech either.
    """
    words, others = drawn(8, 200, 600)
    spoken, rest = heard(detector, words, True), heard(detector, others, False)
    noise = heard(detector, np.full(1_200, -11.0), False)
    found = tuned(detector, "welcome", spoken, rest, besides=noise)
    assert {each.measured_hours for each in found.operating_points["welcome"]} == {0.5}
    alone = tuned(detector, "welcome", spoken, rest)
    for ours, theirs in zip(
        found.operating_points["welcome"], alone.operating_points["welcome"], strict=True
    ):
        assert ours.miss_rate == pytest.approx(theirs.miss_rate, abs=0.01)
    assert found.card["calibration"]["welcome"]["hours"] == pytest.approx(1.5)


def test_too_little_speech_gives_no_threshold_for_a_rate(detector: KeywordDetector) -> None:
    """One false alarm in 12 s was kept, and given to callers, as 300 an hour."""
    words, others = drawn(9, 40, 4)
    spoken = heard(detector, words, True)
    found = tuned(detector, "welcome", spoken, heard(detector, np.append(others, 9.0), False))
    points = found.operating_points["welcome"]
    assert all(0 < each.measured_hours < FEWEST_HOURS for each in points)
    assert any(each.false_alarms_per_hour > 100 for each in points)
    assert 0 < found.default_thresholds["welcome"] < 1
    for rate in (1.0, 240.0):
        with pytest.raises(InvalidInput, match="tuned on too little other speech"):
            found.threshold_for("welcome", rate)
    told = [card.rate_of(vars(each)) for each in points]
    assert set(told) <= {"0 in 0.2 minutes", "1 in 0.2 minutes"}
    assert "1 in 0.2 minutes" in told


def test_fewer_than_three_alarms_are_no_ground_for_a_rate(detector: KeywordDetector) -> None:
    """Every rate once got one threshold, without a word."""
    words, _ = drawn(10, 40, 1)
    short = np.array([0.2], np.float32)
    rest = [Heard(recording(name), 1_200.0, short) for name in ("a", "b")]
    found = tuned(detector, "welcome", heard(detector, words, True), rest)
    with pytest.raises(InvalidInput, match="tuned on too little other speech"):
        found.threshold_for("welcome", 1.0)


@pytest.mark.parametrize(
    ("count", "of_hours", "told"),
    [(3, 0.5, "3 false alarms in 30 minutes"), (3, 1.5, "3 false alarms in 1.50 h (2.0 an hour)")],
)
def test_a_card_claims_no_rate_under_an_hour(count: int, of_hours: float, told: str) -> None:
    assert card.alarms_told(count, of_hours) == told


def test_a_card_says_whose_words_thresholds_were_chosen_on(detector: KeywordDetector) -> None:
    words, others = heard(detector, np.zeros(4), True), heard(detector, np.zeros(600), False)
    spoken = [replace(each, recording=as_synthetic(each.recording)) for each in words[:3]]
    some = HeldOut((*spoken, words[3]), tuple(others), tuple(others[:20]))
    assert card.OF_VOICES in card.cautions(None, some)
    assert card.OF_VOICES not in card.cautions(None, HeldOut(tuple(words), tuple(others)))
    assert card.chosen_on(some) == (
        "0.50 h of validation speech (1 minutes of noise and synthetic speech apart), "
        "1 real and 3 synthetic words"
    )


def test_how_sure_misses_are_follows_from_how_many_words_were_tested(
    detector: KeywordDetector,
) -> None:
    """Every card said "about 15 points", whether of 15 words or of 500."""
    heard = HeldOut()
    of_all, of_some = (
        report_of(detector, "welcome", heard_words(detector, found, 20), (), ())
        for found in (20, 15)
    )
    told = card.cautions(of_all, heard)[0]
    assert "0 to 17 % may be missed (95 %, if each of the 20" in told
    assert "9 to 49 %" in card.cautions(of_some, heard)[0]
    retuned = {"cautions": [told, card.FEW_BEFORE, "A note."], "label": "welcome"}
    anew = card.retuned(retuned, detector, "welcome", of_some, heard)["cautions"]
    assert [each for each in anew if card.OF_MISSES in each] == [card.cautions(of_some, heard)[0]]
    assert "A note." in anew
    assert card.FEW_BEFORE not in anew


def heard_words(detector: KeywordDetector, found: int, count: int) -> list[Heard]:
    """So many recordings of the word, of which so many are found."""
    scores = np.where(np.arange(count) < found, 0.9, 0.1)
    return [
        Heard(recording(f"v{n}", None), 3.0, np.full(9, score, np.float32))
        for n, score in enumerate(scores)
    ]


def as_synthetic(row: Recording) -> Recording:
    return replace(row, corpus="synthetic")


def peaks_of(
    detector: KeywordDetector, label: str, words: list[Heard], speech: list[Heard]
) -> tuple[Array, Array]:
    found = heard_peaks(detector, label, words, speech)
    return found.words, found.others


def test_tuning_changes_the_last_affine_alone(two: KeywordDetector) -> None:
    words, others = drawn(5, 50, 500)
    found = tuned(two, "bed", heard(two, words, True), heard(two, others, False))
    assert isinstance(two.net, Sequential)
    assert isinstance(found.net, Sequential)
    assert found.net.layers[:-2] == two.net.layers[:-2]
    assert found.placements == two.placements


def test_without_words_nothing_is_calibrated(detector: KeywordDetector) -> None:
    _, others = drawn(6, 1, 600)
    found = tuned(detector, "welcome", [], heard(detector, others, False))
    kept, known = Calibrated.of(found.net, 1), Calibrated.of(detector.net, 1)
    assert (kept.scale, kept.offset) == (known.scale, known.offset)
    told = found.card["calibration"]["welcome"]
    assert told["reliability"] is None
    assert "was not measured" in "\n".join(card.score_lines(told))
    assert card.score_lines(None) == []


def test_log_odds_stay_finite() -> None:
    assert np.isfinite(log_odds(np.array([0.0, 1.0], np.float32))).all()

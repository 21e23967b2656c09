"""The benchmark of speaker folds: the mean of networks heard apart, and how far seeds lie apart."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.detectors.keyword.assembly import Calibrated, mean_net
from sweepnet_service.detectors.keyword.bench import Figures, Row
from sweepnet_service.detectors.keyword.dataset import Recording

FOLDS = Path(__file__).resolve().parents[2] / "benchmarks" / "keyword_folds"
ROW = Recording(Path("x.wav"), 0.0, None, "test", "", "folder", "", "")


@pytest.fixture(scope="module")
def folds() -> Iterator[Any]:
    """The modules of the benchmark, which is no package."""
    known = set(sys.modules)
    sys.path.insert(0, str(FOLDS))
    try:
        import hearing  # type: ignore[import-not-found]
        import telling  # type: ignore[import-not-found]

        yield type("Folds", (), {"hearing": hearing, "telling": telling})
    finally:
        sys.path.remove(str(FOLDS))
        for name in set(sys.modules) - known:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(FOLDS)):
                del sys.modules[name]


def test_networks_heard_apart_are_what_the_network_of_both_hears(
    folds: Any, detector: KeywordDetector, murmur: Array
) -> None:
    spoken = [(ROW, murmur), (ROW, murmur[20_000:])]
    (word,) = detector.labels
    nets = [detector.net, Calibrated.of(detector.net, 1).mapped(0, 2.0, -0.5).net]
    apart = [folds.hearing.hear(replace(detector, net=net), spoken) for net in nets]
    both = folds.hearing.hear(replace(detector, net=mean_net(nets, 1)), spoken)

    mean = folds.hearing.mean_scores(apart)

    np.testing.assert_allclose(mean.values, both.values, atol=1e-5)
    assert not np.allclose(mean.values, apart[0].values, atol=1e-3)
    assert [len(each.scores) for each in mean.of(word)] == both.counts.tolist()


def test_scores_at_their_ends_have_a_mean(folds: Any) -> None:
    """Log odds of 0 and 1 are infinite."""
    ends = folds.hearing.Scores(("word",), [ROW], np.array([1.0]), np.array([2]), np.eye(2)[:, :1])
    assert folds.hearing.mean_scores([ends, ends]).values == pytest.approx(ends.values)


@pytest.mark.parametrize(
    ("hours", "told"), [([2.1] * 5, [0.15, 0.3, 2.0]), ([2.1, 2.1], [2.0]), ([0.1, 8.0], [])]
)
def test_rates_without_a_threshold_in_every_fold_are_left_out(
    folds: Any, hours: list[float], told: list[float]
) -> None:
    """Two folds were heard for hours, and then had none for 0.3 an hour."""
    assert folds.telling.tellable([0.15, 0.3, 2.0], hours) == told


def test_seeds_are_told_with_their_spread(folds: Any) -> None:
    """By hand: one and three of four clips are missed; only one word was heard in noise."""

    def seed(number: int, missed: int) -> Row:
        clips = {str(clip): float(clip < missed) for clip in range(4)}
        words = {
            "bang": Figures({"clean": clips, "noisy": clips}, missed, 2.0),
            "crash": Figures({"clean": dict.fromkeys(clips, 0.0)}, 0, 2.0),
        }
        return Row(f"seed {number}", 0.5, words)

    table = folds.telling.alike([seed(0, 1), seed(1, 3)], ("bang", "crash"))

    assert [column.header for column in table.columns][2:4] == ["seed 0", "seed 1"]
    assert list(zip(*(column.cells for column in table.columns), strict=True)) == [
        ("bang", "clean", "25.0", "75.0", "50.0", "35.4"),
        ("bang", "noisy", "25.0", "75.0", "50.0", "35.4"),
        ("bang", "alarms an hour", "0.50", "1.50", "1.00", "0.71"),
        ("crash", "clean", "0.0", "0.0", "0.0", "0.0"),
        ("crash", "alarms an hour", "0.00", "0.00", "0.00", "0.00"),
        ("bang, crash", "clean", "12.5", "37.5", "25.0", "17.7"),
    ]
    alone = folds.telling.alike([seed(0, 1)], ("bang", "crash"))
    assert list(alone.columns[-1].cells) == [""] * 6

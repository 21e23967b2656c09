"""Labels side by side and means of networks: no label's scores change, streamed is whole."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import expit

from cnn_core.arrays import Array
from cnn_core.fold import fold
from cnn_core.layers import Conv1d, Relu, Sequential, Sigmoid
from cnn_core.stream import open_stream
from cnn_core.tree import count_weights, tree_map
from sweepnet.cli import main
from sweepnet_service.detectors.keyword import (
    KeywordDetector,
    Placement,
    SpotSession,
)
from sweepnet_service.detectors.keyword.assembly import (
    Calibrated,
    Pieces,
    assemble,
    taken_apart,
)
from sweepnet_service.detectors.keyword.evaluate.peaks import log_odds
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.detectors.keyword.head import HeadSettings, build_head
from sweepnet_service.detectors.keyword.joined import joined, mean_of
from sweepnet_service.detectors.keyword.trunk import CHANNELS
from sweepnet_service.detectors.keyword.tuning import untuned
from sweepnet_service.errors import InvalidInput
from tests.keyword.words import with_label

SPELLINGS = ((11, 2, 5), (11, 3))


def heads(seed: int, count: int = 2) -> tuple[Sequential, ...]:
    rng = np.random.default_rng(seed)
    return tuple(build_head(rng, CHANNELS, HeadSettings(channels=8)) for _ in range(count))


@pytest.fixture(scope="module")
def frames(murmur: Array) -> Array:
    return LogMel().frames(murmur)[None]


@pytest.fixture(scope="module")
def three(detector: KeywordDetector) -> KeywordDetector:
    """Three words on the trunk of the first: one with a word path, one without."""
    two = with_label(detector, "bed", heads(1), SPELLINGS)
    return with_label(two, "cat", heads(2, 1))


@pytest.fixture(scope="module")
def tuned_alone(detector: KeywordDetector, frames: Array) -> KeywordDetector:
    """Another word, on a trunk that was fine-tuned for it; its scores lie round 0.5."""
    trunk, phones = parts_of(detector)
    moved = tree_map(lambda array: array * np.float32(1.01), trunk)
    raw = Calibrated.of(fold(assemble(Pieces(moved, phones, heads(3), SPELLINGS))), 1)
    odds = raw.body.forward(frames)
    scale = 1 / float(odds.std())
    net = raw.mapped(0, scale, -scale * float(odds.mean())).net
    return untuned(net, "happy", detector.features)


def parts_of(detector: KeywordDetector) -> tuple[Sequential, Conv1d]:
    parts = taken_apart(fold(detector.net))
    assert parts is not None
    return parts


def test_another_label_changes_no_score_of_the_others(
    detector: KeywordDetector, three: KeywordDetector, frames: Array
) -> None:
    assert three.labels == ("welcome", "bed", "cat")
    alone = fold(detector.net).forward(frames)
    np.testing.assert_allclose(three.net.forward(frames)[:, :, :1], alone, atol=1e-6)
    assert three.placements["welcome"] == detector.placements["welcome"]
    assert three.net.windows == detector.net.windows


def test_a_shared_trunk_is_computed_once(detector: KeywordDetector, three: KeywordDetector) -> None:
    trunk, _ = parts_of(three)
    assert len(trunk.layers) == len(parts_of(detector)[0].layers)
    alone = count_weights(fold(detector.net))
    assert count_weights(three.net) < alone + count_weights(trunk) / 2


def test_words_trained_on_the_trunk_of_a_file_share_it(detector: KeywordDetector) -> None:
    """Files keep batch norms of their own, which are folded before they are compared."""
    parts = taken_apart(detector.net)
    assert parts is not None
    other = untuned(assemble(Pieces(*parts, heads(6))), "other", LogMel())
    both = joined([detector, other])
    trunk, _ = parts_of(detector)
    apart = sum(count_weights(fold(each.net)) for each in (detector, other))
    assert count_weights(both.net) == apart - count_weights(trunk)


def test_models_are_joined_by_a_command(
    detector: KeywordDetector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"{name}.safetensors" for name in ("welcome", "bed", "both")]
    for path, label in zip(paths, ("welcome", "bed"), strict=False):
        untuned(Calibrated.of(detector.net, 1).net, label, LogMel()).save(path)
    monkeypatch.setattr(
        sys, "argv", ["sweepnet", "join", *map(str, paths[:2]), "--out", str(paths[2])]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert KeywordDetector.load(paths[2]).labels == ("welcome", "bed")


def test_pieces_of_several_labels_are_joined_labels(
    detector: KeywordDetector, three: KeywordDetector, frames: Array
) -> None:
    parts = parts_of(detector)
    pieces = (Pieces(*parts, heads(1), SPELLINGS), Pieces(*parts, heads(2, 1)))
    together = assemble(*pieces).forward(frames)
    np.testing.assert_allclose(together, three.net.forward(frames)[:, :, 1:], atol=1e-6)


def test_words_with_trunks_of_their_own_stand_side_by_side(
    three: KeywordDetector, tuned_alone: KeywordDetector, frames: Array
) -> None:
    both = joined([three, tuned_alone])
    expected = [each.net.forward(frames) for each in (three, tuned_alone)]
    np.testing.assert_allclose(both.net.forward(frames), np.concatenate(expected, 2), atol=1e-6)
    assert both.labels == ("welcome", "bed", "cat", "happy")


def test_a_mean_is_the_mean_of_log_odds(
    detector: KeywordDetector, tuned_alone: KeywordDetector, frames: Array
) -> None:
    nets = [fold(detector.net), fold(detector.net), tuned_alone.net]
    odds = [log_odds(net.forward(frames)) for net in nets]
    mean = mean_of([untuned(Calibrated.of(net, 1).net, "welcome", LogMel()) for net in nets])
    np.testing.assert_allclose(mean.net.forward(frames), expit(np.mean(odds, axis=0)), atol=1e-5)
    assert mean.operating_points == {"welcome": ()}
    assert taken_apart(mean.net) is not None


def test_a_mean_of_heads_alone_shares_their_trunk(detector: KeywordDetector) -> None:
    parts = parts_of(detector)
    nets = [untuned(assemble(Pieces(*parts, heads(k))), "welcome", LogMel()) for k in (4, 5)]
    assert count_weights(mean_of(nets).net) < 1.5 * count_weights(fold(nets[0].net))


@given(cuts=st.lists(st.integers(0, 298), max_size=8), which=st.sampled_from(["joined", "mean"]))
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_streamed_is_whole(
    three: KeywordDetector,
    tuned_alone: KeywordDetector,
    frames: Array,
    cuts: list[int],
    which: str,
) -> None:
    """Of labels on one trunk and on two, and of a mean of networks."""
    both = joined([three, tuned_alone])
    net = both.net if which == "joined" else mean_of([both, both]).net
    stream = open_stream(net)
    told = [stream.step(part).scores for part in np.split(frames[0], sorted(cuts))]
    np.testing.assert_allclose(np.concatenate(told), net.forward(frames)[0], atol=1e-5)


def test_each_label_has_its_own_events(three: KeywordDetector) -> None:
    """Their extent is where the label's own placement puts the word in the highest window."""
    places = {**three.placements, "bed": Placement(0.4, 0.6), "cat": Placement(0.9, 1.4)}
    placed = replace(three, placements=places)
    session = SpotSession(placed, 16_000)
    curve = np.zeros(150, np.float32)
    curve[75] = 0.9
    spans = {
        label: (event.end - event.start) / 16_000
        for label in placed.labels
        for event in session.replay(label, curve, 80_000)
    }
    assert spans == {"welcome": 0.5, "bed": 0.2, "cat": 0.5}


def test_a_joined_detector_survives_its_file(
    three: KeywordDetector, frames: Array, tmp_path: Path
) -> None:
    three.save(tmp_path / "three.safetensors")
    read = KeywordDetector.load(tmp_path / "three.safetensors")
    assert read.describe() == three.describe()
    np.testing.assert_allclose(read.net.forward(frames), three.net.forward(frames), atol=1e-6)
    assert taken_apart(read.net) is not None


def test_what_cannot_be_put_together_is_refused(
    detector: KeywordDetector, three: KeywordDetector
) -> None:
    shorter = replace(detector, labels=("other",), net=Sequential((Sigmoid(),)))
    slower = replace(detector, decision=replace(detector.decision, refractory_s=2.0))
    for detectors, words in (
        ([], "expected one at least"),
        ([detector, three], "each of them once"),
        ([detector, replace(slower, labels=("other",))], "decision: got"),
        ([detector, shorter], "windows: got"),
    ):
        with pytest.raises(InvalidInput, match=words):
            joined(detectors)
    with pytest.raises(InvalidInput, match="no head and no spelling"):
        with_label(detector, "bed", heads=())
    with pytest.raises(InvalidInput, match="expected the same"):
        mean_of([detector, three])


def test_a_network_that_ends_in_no_sigmoid_has_no_calibration() -> None:
    with pytest.raises(InvalidInput, match="ends in Relu"):
        Calibrated.of(Sequential((Relu(),)), 1)

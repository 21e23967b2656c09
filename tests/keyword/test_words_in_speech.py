"""The example of weak labels in speech: what is set in where, and how its places are measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cnn_core.aggregate import LogSumExp
from cnn_core.arrays import Array
from cnn_core.geometry import Window
from cnn_core.layers import Conv1d
from cnn_core.weak import Swept
from examples.weak_words import Answers, answers, best_threshold, examined, placement
from examples.words_in_speech import LONGEST_S, RATE_HZ, SHORTEST_S, Heard, compose
from sweepnet_service.detectors.keyword.dataset import Recording

CLIP = Recording(Path("computer.ogg"), 0, 2, "train", "", "", "", "computer")


def beep() -> Array:
    """2 s of hiss with a tone from 0.8 to 1.3 s."""
    samples = 1e-3 * np.random.default_rng(0).standard_normal(2 * RATE_HZ)
    span = slice(int(0.8 * RATE_HZ), int(1.3 * RATE_HZ))
    samples[span] += np.sin(np.arange(span.stop - span.start))
    return samples.astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_the_word_lies_where_it_is_said_to(seed: int) -> None:
    speech = [np.zeros(12 * RATE_HZ, np.float32)]
    made = compose(np.random.default_rng(seed), speech, (CLIP, beep()), holds=True)
    start_s, end_s = made.span_s
    loud = np.flatnonzero(np.abs(made.samples) > 0.02) / RATE_HZ

    assert SHORTEST_S <= len(made.samples) / RATE_HZ <= LONGEST_S
    assert (made.holds, made.clip) == (True, "computer")
    assert end_s - start_s == pytest.approx(0.5, abs=0.03)
    assert loud[0] == pytest.approx(start_s, abs=0.03)
    assert loud[-1] == pytest.approx(end_s, abs=0.03)


def test_padding_changes_no_answer_and_no_gradient() -> None:
    rng = np.random.default_rng(1)
    heard = Heard(
        rng.standard_normal((3, 12, 2)).astype(np.float16),
        np.array([12, 7, 5]),
        np.array([1, 0, 1], np.float32),
        np.zeros((3, 2)),
    )
    net = Swept(Conv1d.create(rng, 2, 1, 5), LogSumExp())
    values, _ = net.vjp_weights(heard.padded(slice(None)))
    told = answers(net, heard, Window(5, 1))

    np.testing.assert_allclose(values[:, 0], told.odds, atol=1e-5)
    assert [len(scores) for scores in told.scores] == [8, 3, 1]
    gradient = net.vjp_weights(heard.padded(slice(1, 2)))[1](np.ones((1, 1), np.float32))
    alone = replace(heard, activations=heard.activations[:, :7])
    expected = net.vjp_weights(alone.padded(slice(1, 2)))[1](np.ones((1, 1), np.float32))
    np.testing.assert_allclose(gradient.net.weight, expected.net.weight, atol=1e-6)


def test_places_are_measured_against_the_truth() -> None:
    told = Answers(np.array([3.0, -1, 2, -4]), np.array([1.0, 5, 2.5, 0]), ())
    spans = np.array([[1.2, 1.8], [0, 1], [2.9, 3.5], [4, 5]])
    heard = Heard(np.zeros((4, 1, 1)), np.ones(4, int), np.array([1.0, 0, 1, 0]), spans)
    threshold = best_threshold(told.odds, heard.holds)
    place = placement(told, heard, threshold)
    result = examined(told, heard, threshold, place)

    assert -1 < threshold < 2
    np.testing.assert_allclose(place, [0.3, 0.9])
    assert (result.missed, result.alarms, result.near) == (0, 0, 2)
    np.testing.assert_allclose(result.errors_s, [[0.1, 0.1], [-0.1, -0.1]], atol=1e-9)

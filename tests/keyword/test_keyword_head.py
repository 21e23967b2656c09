"""A head learns from located words, and from recordings that hold the word somewhere."""

import numpy as np
import pytest

from sweepnet_service.detectors.keyword.activations import SEGMENT_STEPS
from sweepnet_service.detectors.keyword.head import Examples, HeadSettings, run, train_head

CHANNELS, WORD_STEPS, WINDOW = 12, 20, 31
SETTINGS = HeadSettings(
    channels=12,
    dropout=0.0,
    steps=80,
    rounds=2,
    rate=1e-2,
    batch_positive=12,
    batch_negative=24,
    hard_pool=50,
)


def speech(rng: np.random.Generator, steps: int, word_at: int | None = None) -> np.ndarray:
    """Random activations; the word is a ramp over two channels, of which others say one alone."""
    values = rng.standard_normal((steps, CHANNELS)) * 0.5
    ramp = np.linspace(0, 3, WORD_STEPS)
    if word_at is not None:
        values[word_at : word_at + WORD_STEPS, 0] += ramp
        values[word_at : word_at + WORD_STEPS, 1] += ramp[::-1]
    return values.astype(np.float16)


def others(rng: np.random.Generator) -> np.ndarray:
    """Streams in which each half of the word comes alone."""
    rows = np.stack([speech(rng, 400) for _ in range(12)])
    ramp = np.linspace(0, 3, WORD_STEPS).astype(np.float16)
    for number, row in enumerate(rows):
        for start in range(40, 340, 60):
            row[start : start + WORD_STEPS, number % 2] += ramp if number % 2 == 0 else ramp[::-1]
    return rows


def located(rng: np.random.Generator, count: int) -> np.ndarray:
    middle = (SEGMENT_STEPS - WORD_STEPS) // 2
    return np.stack([speech(rng, SEGMENT_STEPS, middle) for _ in range(count)])


def bags(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Recordings of 60 to 120 steps with the word anywhere in them."""
    lengths = rng.integers(60, 121, count)
    return [speech(rng, length, int(rng.integers(0, length - WORD_STEPS))) for length in lengths]


@pytest.mark.parametrize("kind", ["located", "weak", "both"])
def test_finds_the_word_and_its_place(kind: str) -> None:
    rng = np.random.default_rng(0)
    known = Examples(
        positive=[(1.0, located(rng, 60))] if kind != "weak" else [],
        negative=[others(rng)],
        weak=bags(rng, 60) if kind != "located" else [],
    )
    net = train_head(known, SETTINGS, lambda progress: None)
    without = run(net, others(rng)).max()
    places = rng.integers(60, 120, 20)
    heard = run(net, np.stack([speech(rng, 200, int(place)) for place in places]))
    assert np.mean(heard.max(axis=1) > without) >= 0.9
    middles = heard.argmax(axis=1) + WINDOW // 2
    assert np.median(np.abs(middles - places - WORD_STEPS // 2)) <= WINDOW // 2


def test_the_seed_decides_the_weights() -> None:
    rng = np.random.default_rng(0)
    known = Examples([(1.0, located(rng, 9))], [others(rng)], bags(rng, 5))
    few = HeadSettings(channels=4, steps=2, rounds=2, batch_positive=3, batch_negative=5)
    one, again = (train_head(known, few, lambda progress: None) for _ in range(2))
    assert np.array_equal(run(one, known.negative[0]), run(again, known.negative[0]))

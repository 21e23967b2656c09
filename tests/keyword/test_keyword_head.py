"""A head learns from located words, and from recordings that hold the word somewhere."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cnn_core.layers import Conv1d
from cnn_core.tree import leaves
from sweepnet_service.detectors.keyword import head
from sweepnet_service.detectors.keyword.activations import SEGMENT_STEPS
from sweepnet_service.detectors.keyword.assembly import Pieces, assemble, path_steps
from sweepnet_service.detectors.keyword.config import check_heads
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.detectors.keyword.head import (
    Examples,
    HeadSettings,
    build_head,
    run,
    train_head,
)
from sweepnet_service.detectors.keyword.train import TrainConfig, heads_of
from sweepnet_service.detectors.keyword.trunk import build_trunk
from sweepnet_service.detectors.keyword.tuning import untuned
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Progress, ignored

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


def test_a_disturbed_head_learns_other_weights() -> None:
    known = few_examples()
    disturbed = train_head(known, replace(FEW, disturbed=True), ignored)
    again = train_head(known, replace(FEW, disturbed=True), ignored)
    plain = train_head(known, FEW, ignored)
    assert_same(disturbed, again)
    assert not np.array_equal(run(disturbed, known.negative[0]), run(plain, known.negative[0]))


FEW = HeadSettings(channels=4, steps=4, rounds=2, batch_positive=3, batch_negative=5, hard_pool=9)


def few_examples() -> Examples:
    rng = np.random.default_rng(0)
    return Examples([(1.0, located(rng, 9))], [others(rng)], bags(rng, 5))


def stop_before(monkeypatch: pytest.MonkeyPatch, step: int) -> list[int]:
    """Ctrl-C at the batch of this step; the list counts the batches drawn."""
    drawn, whole = [], head.batch

    def stopping(*inputs: object) -> object:
        if len(drawn) == step:
            raise KeyboardInterrupt
        drawn.append(1)
        return whole(*inputs)

    monkeypatch.setattr(head, "batch", stopping)
    return drawn


def assert_same(one: object, other: object) -> None:
    for (place, array), (_, again) in zip(leaves(one), leaves(other), strict=True):
        assert np.array_equal(array, again), place


@pytest.mark.parametrize("step", [1, 3, 4, 7])
def test_a_head_stopped_at_any_step_goes_on_to_the_same_weights(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its state was nowhere: Ctrl-C at step 900 of 1800 cost them all."""
    monkeypatch.setattr(head, "KEEP_EVERY", 2)
    known, path = few_examples(), tmp_path / "head.partial"
    whole = train_head(known, FEW, ignored)
    with monkeypatch.context() as patched:
        stop_before(patched, step)
        with pytest.raises(KeyboardInterrupt):
            train_head(known, FEW, ignored, path)
    drawn = stop_before(monkeypatch, 99)
    assert_same(train_head(known, FEW, ignored, path), whole)
    assert len(drawn) == 8 - step // 2 * 2


@pytest.mark.parametrize("kept", ["damaged", "other settings", "other trunk"])
def test_a_kept_head_that_does_not_fit_is_trained_anew(kept: str, tmp_path: Path) -> None:
    known, path = few_examples(), tmp_path / "head.partial"
    if kept == "damaged":
        path.write_bytes(b"no head")
    elif kept == "other settings":
        train_head(known, replace(FEW, rate=0.1), ignored, path)
    else:
        narrow = Examples([], [known.negative[0][:, :, :5]])
        train_head(narrow, FEW, ignored, path)
    assert_same(train_head(known, FEW, ignored, path), train_head(known, FEW, ignored))


def test_a_training_stopped_in_a_head_goes_on_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head, "KEEP_EVERY", 2)
    config = TrainConfig("rise", tmp_path / "m", tmp_path, head_settings=FEW, heads=2)
    told: list[Progress] = []

    def interrupt_second(progress: Progress) -> None:
        told.append(progress)
        if len(told) == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        heads_of(config, few_examples, interrupt_second)
    told.clear()
    made = heads_of(config, few_examples, told.append)
    assert [each.done for each in told] == [6, 8]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "head-0.safetensors",
        "head-1.safetensors",
    ]
    for number, one in enumerate(made):
        alone = replace(FEW, seed=1).of_mean(number)
        assert_same(one, train_head(few_examples(), alone, ignored))


@pytest.mark.parametrize(("widest", "window_s"), [(8, 1.605), (6, 1.485), (4, 1.365)])
def test_a_narrower_head_makes_a_shorter_window(widest: int, window_s: float) -> None:
    rng, settings = np.random.default_rng(0), HeadSettings(channels=4, widest=widest)
    trunk, word = build_trunk(rng), ((37, 11, 21, 20, 3, 22),)
    made = build_head(rng, 160, settings)
    assert made.windows[0].size == settings.width
    phones = Conv1d.create(rng, 160, 40, kernel=1)
    net = assemble(Pieces(trunk, phones, (made,), word, path_steps=path_steps(word, (made,))))
    assert untuned(net, "welcome", LogMel()).window_s == pytest.approx(window_s)


def test_a_head_sees_no_more_than_it_learns_from() -> None:
    def config(widest: int) -> TrainConfig:
        settings = HeadSettings(widest=widest)
        return TrainConfig("rise", Path("m"), Path("w"), head_settings=settings)

    check_heads(config(14))
    assert config(14).head_settings.width == SEGMENT_STEPS
    with pytest.raises(InvalidInput, match=r"widest: got 17; expected 14 at most"):
        check_heads(config(17))


def test_a_narrow_head_learns_too() -> None:
    narrow = replace(FEW, widest=6)
    assert run(train_head(few_examples(), narrow, ignored), located(np.random.default_rng(1), 2)
               ).shape == (2, SEGMENT_STEPS - 26)  # fmt: skip

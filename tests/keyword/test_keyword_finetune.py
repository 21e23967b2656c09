"""Words learnt with their trunk: where pieces are cut, and a stopped training that goes on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn_core.layers import Conv1d, Relu, Sequential
from cnn_core.tree import leaves
from sweepnet_service.detectors.keyword.bank import Bank
from sweepnet_service.detectors.keyword.finetune import (
    Lessons,
    TuneSettings,
    fine_tuned,
    frames_of,
    resumed,
)
from sweepnet_service.detectors.keyword.pieces import Others, Words, loudest, piece
from sweepnet_service.detectors.keyword.spectral import Spectral
from sweepnet_service.errors import FailedPrecondition

BANDS = 40
FEW = TuneSettings(steps=4, each=2, others=6, channels=4, searches=1, hard_pool=5, keep_every=1)


def bank(rng: np.random.Generator, count: int, frames: int, word: bool) -> Bank:
    values = rng.normal(-2.0, 0.3, (count * frames, BANDS)).astype(np.float16)
    starts = np.arange(count + 1) * frames
    place = (frames // 2 - 20, frames // 2 + 20) if word else (np.nan, np.nan)
    if word:
        for start in starts[:-1]:
            values[start + place[0] : start + place[1]] += 1
    return Bank(values, starts, np.tile(place, (count, 1)))


@pytest.fixture
def lessons() -> Lessons:
    rng = np.random.default_rng(0)
    words = {
        name: [(1.0, Words.of(bank(rng, 3, 150 + 10 * n, word=True)))]
        for n, name in enumerate(("one", "two"))
    }
    others = Others((bank(rng, 4, 400, False), bank(rng, 4, 390, False)), np.arange(4), -2.5)
    noise = rng.normal(-2, 0.2, (900, BANDS)).astype(np.float32)
    changes = Spectral(noise)
    return Lessons(words, [others], (changes, replace(changes, patches=False)))


def trunk() -> Sequential:
    rng = np.random.default_rng(1)
    return Sequential((Conv1d.create(rng, BANDS, 6, kernel=5, stride=3), Relu()))


@given(st.integers(1, 50), st.integers(-80, 80), st.integers(1, 60))
def test_a_piece_is_the_recording_in_silence(length: int, first: int, frames: int) -> None:
    values = np.arange(length, dtype=np.float32)[:, None] + 1
    cut = piece(values, first, frames, silence=0.0)
    wanted = [n + 1 if 0 <= n < length else 0 for n in range(first, first + frames)]
    assert cut[:, 0].tolist() == wanted


@given(st.integers(60, 400), st.integers(0, 2**32 - 1))
def test_the_loudest_piece_is_where_the_energy_is(middle: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(-2.5, 0.05, (460, BANDS)).astype(np.float32)
    values[middle - 20 : middle + 20] = 1
    assert abs(loudest(values) - middle) < 25


def test_a_word_of_unknown_place_is_looked_for_in_the_loudest_part() -> None:
    made = bank(np.random.default_rng(0), 2, 300, word=True)
    unknown = replace(made, words=np.array([[0.0, 300.0], [np.nan, np.nan]]))
    words = Words.of(unknown)
    assert words.rows.tolist() == [0]
    assert abs(words.middles[0] - 150) < 25


def test_stopped_anywhere_it_ends_with_the_same_weights(lessons: Lessons, tmp_path: Path) -> None:
    whole = fine_tuned(trunk(), lessons, FEW, tmp_path / "whole", lambda progress: None)

    def stop(progress: object) -> None:
        raise KeyboardInterrupt

    for _ in range(FEW.steps):
        with pytest.raises(KeyboardInterrupt):
            fine_tuned(trunk(), lessons, FEW, tmp_path / "parts", stop)
    parts = fine_tuned(trunk(), lessons, FEW, tmp_path / "parts", lambda progress: None)
    for (name, one), (_, other) in zip(leaves(whole), leaves(parts), strict=True):
        assert np.array_equal(one, other), name
    assert frames_of(whole) == whole.windows[0].size + 12 * 3


def test_the_words_are_learnt_and_told_apart_from_other_sound(
    lessons: Lessons, tmp_path: Path
) -> None:
    settings = replace(FEW, steps=60, each=6, others=12, keep_every=60, head_rate=1e-2)
    said: list[str] = []
    net = fine_tuned(
        trunk(), lessons, settings, tmp_path / "kept", lambda told: said.append(told.message)
    )
    heard = frames_of(net)
    words = lessons.words["one"][0][1].draw(heard, -2.5, np.random.default_rng(0))
    other = lessons.others[0].draw(heard, np.random.default_rng(0))
    assert net.forward(words[None]).max() > net.forward(other[None]).max()
    assert said[-1].startswith("loss")


def test_other_settings_are_refused(lessons: Lessons, tmp_path: Path) -> None:
    fine_tuned(trunk(), lessons, replace(FEW, steps=1), tmp_path / "kept", lambda progress: None)
    from sweepnet_service.detectors.keyword.finetune import begun

    with pytest.raises(FailedPrecondition, match="other settings"):
        resumed(tmp_path / "kept", begun(trunk(), lessons, FEW), FEW)

"""Test conditions: the same noise for the same clip, at the ratio asked for, never clipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.augment import loud_power
from sweepnet_service.detectors.keyword.conditions import (
    POWERS,
    in_condition,
    in_noise,
    mean_power,
    mixed,
    piece,
)
from sweepnet_service.detectors.keyword.conditions import test_noise as noise_for_tests
from sweepnet_service.detectors.keyword.dataset import Recording, Spoken
from sweepnet_service.errors import InvalidInput

NOISE = [np.random.default_rng(n).normal(0, 0.1, 20_000).astype(np.float32) for n in range(5)]


def spoken(name: str, seconds: float = 1.0, level: float = 0.1) -> Spoken:
    tone = level * np.sin(np.arange(round(16_000 * seconds)) * 0.1)
    recording = Recording(Path(f"{name}.wav"), 0, None, "test", name, "folder", "", "")
    return recording, tone.astype(np.float32)


def heard(clips: list[Spoken], snr_db: float = 10, seed: int = 1) -> dict[str, Array]:
    return {row.speaker: samples for row, samples in in_noise(clips, NOISE, snr_db, seed)}


@given(st.permutations("abcd"), st.integers(1, 4))
def test_order_and_company_change_nothing(names: list[str], count: int) -> None:
    whole = heard([spoken(name) for name in "abcd"])
    some = heard([spoken(name) for name in names[:count]])
    assert all(np.array_equal(some[name], whole[name]) for name in some)


def test_seed_and_name_choose_the_noise() -> None:
    one, other = heard([spoken("a"), spoken("b")]).values()
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, heard([spoken("a")], seed=2)["a"])


@given(
    st.floats(-10, 30), st.floats(0.01, 0.9), st.integers(0, 99), st.sampled_from(sorted(POWERS))
)
def test_ratio_is_the_one_asked_for(snr_db: float, level: float, seed: int, unit: str) -> None:
    power = POWERS[unit]
    clip = np.pad(spoken("a", level=level)[1], 4_000)
    noise = piece(NOISE, len(clip), np.random.default_rng(seed))
    sum_ = mixed(clip, noise, snr_db, power).astype(np.float64)
    gain = np.linalg.lstsq(np.stack([clip, noise], 1).astype(np.float64), sum_, rcond=None)[0]
    ratio = power(gain[0] * clip) / np.mean((gain[1] * noise.astype(np.float64)) ** 2)
    assert np.max(np.abs(sum_)) <= 1 + 1e-6
    assert 10 * np.log10(ratio) == pytest.approx(snr_db, abs=0.01)


def test_power_of_all_of_a_clip_is_milder_to_one_with_pauses() -> None:
    clip = np.pad(spoken("a")[1], 16_000)
    assert mean_power(clip) == pytest.approx(loud_power(clip) / 3, rel=0.03)


def test_a_condition_says_what_its_noise_is_measured_against() -> None:
    """One "10 dB" once was over the louder part of a clip, another over all of it."""
    row, clip = spoken("a", seconds=1)
    clips = [(row, np.pad(clip, 8_000))]
    ((_, clean),) = in_condition(clips, "clean", [], 1)
    np.testing.assert_array_equal(clean, clips[0][1])
    for name, power in (("10 dB", mean_power), ("10 dB speech", loud_power)):
        (got,) = in_condition(clips, name, NOISE, 1)
        (expected,) = in_noise(clips, NOISE, 10, 1, power)
        np.testing.assert_array_equal(got[1], expected[1])


def test_clip_longer_than_the_noise_is_filled() -> None:
    _, clip = spoken("a", seconds=5)
    drawn = piece(NOISE, len(clip), np.random.default_rng(1))
    assert len(drawn) == len(clip)
    assert np.all(np.std(drawn.reshape(-1, 800), axis=1) > 0.05)


def test_silence_stays_and_silent_noise_is_refused() -> None:
    row, clip = spoken("a", level=0)
    assert not np.any(next(in_noise([(row, clip)], NOISE, 10, 1))[1])
    with pytest.raises(InvalidInput, match="silent"):
        list(in_noise([spoken("a")], [np.zeros(9, np.float32)], 10, 1))
    with pytest.raises(InvalidInput, match="at least one"):
        list(in_noise([spoken("a")], [], 10, 1))


@pytest.mark.needs_data
def test_noise_of_the_data_is_long_enough_and_sounds(data_dir: Path) -> None:
    noise = noise_for_tests(data_dir / "speech")
    assert len(noise) >= 20
    assert all(len(each) >= 16_000 and np.any(each) for each in noise)

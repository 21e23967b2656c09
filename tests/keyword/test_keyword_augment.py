"""Augmentation: seeded, of the right size, and doing what it says."""

from __future__ import annotations

import numpy as np
import pytest

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.augment import (
    Augment,
    change_speed,
    change_tempo,
    clipped,
    in_room,
    loud_power,
    mu_law,
    set_level,
    telephone,
)
from sweepnet_service.detectors.keyword.codec import CODECS, Codec, through
from sweepnet_service.detectors.keyword.features import LogMel, expand
from sweepnet_service.detectors.keyword.spectral import Spectral, patches, warp_matrix

NOISE = np.random.default_rng(0).normal(0, 0.3, (2_000, 40)).astype(np.float32)


def test_the_same_seed_gives_the_same_copy(murmur: Array) -> None:
    augment = Augment(rooms=(np.array([1.0, 0, 0.5], np.float32),), telephone_share=0.5)
    first, second, other = (augment(murmur, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1] == second[1] != other[1]


def test_the_same_seed_gives_the_same_features() -> None:
    values = NOISE[:600].reshape(3, 200, 40)
    first, second = (Spectral(NOISE)(values, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == values.shape
    assert first.dtype == np.float32
    assert np.isfinite(first).all()


def test_speed_changes_length_and_pitch() -> None:
    tone = np.sin(2 * np.pi * 500 * np.arange(16_000) / 16_000).astype(np.float32)
    fast = change_speed(tone, 1.25)
    assert abs(len(fast) - 12_800) <= 1
    assert np.argmax(np.abs(np.fft.rfft(fast))) * 16_000 / len(fast) == pytest.approx(625, abs=5)


def peak_hz(samples: Array) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * 16_000 / len(samples))


@pytest.mark.parametrize("tempo", [0.85, 1.0, 1.2])
def test_tempo_changes_length_and_keeps_pitch_and_place(tempo: float) -> None:
    tone = np.sin(2 * np.pi * 500 * np.arange(32_000) / 16_000).astype(np.float32)
    tone[:8_000] = tone[-8_000:] = 0
    changed = change_tempo(tone, tempo)
    assert len(changed) == pytest.approx(32_000 / tempo, abs=2)
    assert peak_hz(changed) == pytest.approx(500, abs=3)
    loud = np.flatnonzero(np.abs(changed) > 0.5)
    assert loud[0] == pytest.approx(8_000 / tempo, abs=400)
    assert loud[-1] == pytest.approx(24_000 / tempo, abs=400)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_codec_keeps_length_place_and_loudness(codec: Codec, share: float, murmur: Array) -> None:
    low, high = codec.level
    heard = through(murmur, codec, low + share * (high - low))
    assert heard.shape == murmur.shape
    assert heard.dtype == np.float32
    assert not np.array_equal(heard, murmur)
    shift = np.argmax(np.correlate(heard[:20_000], murmur[4_000:16_000], "valid")) - 4_000
    assert abs(shift) < 40
    assert loud_power(heard) == pytest.approx(loud_power(murmur), rel=0.5)


@pytest.mark.parametrize("length", [0, 1, 399, 1_599, 1_600, 4_000])
def test_any_length_passes_the_whole_chain(length: int, murmur: Array) -> None:
    everything = Augment(tempo_share=1, clipping_share=1, telephone_share=0, codec_share=1)
    for seed in range(6):
        changed, _ = everything(murmur[:length], np.random.default_rng(seed))
        assert np.isfinite(changed).all()
        assert changed.dtype == np.float32


def test_clipping_cuts_the_peaks_only() -> None:
    ramp = np.linspace(-1, 1, 2_001, dtype=np.float32)
    cut = clipped(ramp, np.random.default_rng(0))
    limit = cut.max()
    assert 10 ** (-15 / 20) <= limit <= 10 ** (-3 / 20)
    np.testing.assert_array_equal(cut[np.abs(ramp) < limit], ramp[np.abs(ramp) < limit])


def test_a_telephone_passes_its_band_only() -> None:
    time_s = np.arange(16_000) / 16_000
    sounds = {hz: np.sin(2 * np.pi * hz * time_s) for hz in (60, 1_000, 5_000)}
    mixed = sum(sounds.values()).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(telephone(mixed, np.random.default_rng(0))))
    assert spectrum[60] < 0.1 * spectrum[1_000]
    assert spectrum[5_000] < 0.01 * spectrum[1_000]


def test_mu_law_keeps_small_samples_finer_than_large_ones() -> None:
    samples = np.linspace(-1, 1, 2_001)
    error = np.abs(mu_law(samples) - samples)
    assert error.max() < 0.03
    assert error[np.abs(samples) < 0.01].max() < 0.002


def test_level_is_that_of_the_loud_part(murmur: Array) -> None:
    padded = np.concatenate([np.zeros(16_000, np.float32), murmur])
    levelled = set_level(padded, -20.0)
    assert 10 * np.log10(loud_power(levelled)) == pytest.approx(-20, abs=0.01)
    assert not set_level(np.zeros(100, np.float32), -20.0).any()


def test_a_room_keeps_length_and_place(murmur: Array) -> None:
    response = np.zeros(100, np.float32)
    response[32] = 1
    np.testing.assert_allclose(in_room(murmur, response), murmur, atol=1e-5)


def test_a_warp_of_one_changes_nothing() -> None:
    np.testing.assert_array_equal(warp_matrix(1.0, 40), np.eye(40, dtype=np.float32))
    row = np.zeros(40, np.float32)
    row[20] = 1
    assert np.argmax(row @ warp_matrix(0.9, 40)) == 22


def test_noise_comes_in_at_the_distance_asked_for() -> None:
    spectral = Spectral(NOISE, noise_share=1.0, signal_to_noise_db=(10.0, 10.0))
    energy = expand(NOISE[:400].reshape(2, 200, 40))
    added = spectral.background(energy, np.random.default_rng(3))
    ratio = np.quantile(energy.sum(axis=2), 0.8) / np.quantile(added.sum(axis=2), 0.8)
    assert 10 * np.log10(ratio) == pytest.approx(10, abs=1.0)


@pytest.mark.parametrize("frames", [299, 300, 301, 1_000])
def test_rows_may_be_longer_than_the_noise(frames: int) -> None:
    """A sentence of more than three minutes ended the training of a trunk with a ValueError."""
    spectral = Spectral(NOISE[:300], noise_share=1.0, signal_to_noise_db=(10.0, 10.0))
    energy = np.ones((2, frames, 40), np.float32)
    added = spectral.background(energy, np.random.default_rng(3))
    assert added.shape == energy.shape
    assert (added.sum(axis=2) > 0).all()


def test_patches_are_runs_within_bounds() -> None:
    hidden = patches(50, 100, 16, np.random.default_rng(0))
    assert hidden.sum(axis=1).max() < 16
    starts = np.diff(hidden.astype(int), axis=1, prepend=0) == 1
    assert starts.sum(axis=1).max() == 1


def test_gain_moves_the_level_only() -> None:
    quiet = {"warp_share": 0.0, "noise_share": 0.0, "band_share": 0.0, "ripple_db": 0.0}
    spectral = Spectral(NOISE, gain_db=(6.0, 6.0), patches=False, **quiet)
    values = 1.0 + NOISE[:200].reshape(1, 200, 40)
    changed = spectral(values, np.random.default_rng(0))
    np.testing.assert_allclose(changed - values, np.log(10**0.6) / 4, atol=2e-3)
    assert LogMel().silence < changed.min()

"""PCEN: streamed = whole for any chunking, the paper's formula, and what it is for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.arrays import Array
from cnn_core.scan import scan
from sweepnet_service.detectors.keyword import KeywordDetector, SpotOptions, SpotSession
from sweepnet_service.detectors.keyword.features import LogMel, expand
from sweepnet_service.detectors.keyword.frontend import FRONT_ENDS, FrontEnd, front_end
from sweepnet_service.detectors.keyword.pcen import Pcen
from sweepnet_service.detectors.keyword.spectral import Spectral
from sweepnet_service.errors import InvalidInput, ModelUnreadable

CHUNKS = st.lists(st.integers(0, 900) | st.sampled_from([0, 1, 160, 400]), max_size=30)


def hiss(samples: int, seed: int = 0, level: float = 0.1) -> Array:
    drawn = np.random.default_rng(seed).standard_normal(samples)
    return (level * drawn).astype(np.float32)


@pytest.mark.parametrize("features", [LogMel(), Pcen(), Pcen(smoothing=1.0, bands=24)])
@given(chunks=CHUNKS, seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_every_front_end_streams_the_frames_of_the_whole(
    features: FrontEnd, chunks: list[int], seed: int
) -> None:
    signal = hiss(sum(chunks), seed)
    stream = features.stream()
    ends = np.cumsum(chunks, dtype=int)
    parts = [
        features.push([stream], [signal[end - size : end]], [False])[0]
        for end, size in zip(ends, chunks, strict=True)
    ]

    joined = np.concatenate([np.empty((0, features.bands), np.float32), *parts])

    assert joined.dtype == np.float32
    assert len(joined) == features.count(len(signal))
    np.testing.assert_allclose(joined, features.frames(signal), atol=2e-5)


def test_frames_are_those_of_the_formula() -> None:
    features = Pcen()
    energy = features.energy(hiss(16_000))
    mean = energy[0].astype(float)
    for row, frame in zip(energy, features.compress(energy), strict=True):
        mean = 0.975 * mean + 0.025 * row
        expected = (row / (1e-6 + mean) ** 0.98 + 2) ** 0.5 - 2**0.5
        np.testing.assert_allclose(frame, expected, rtol=1e-4, atol=1e-5)


def test_a_steady_noise_is_the_same_at_every_level() -> None:
    features = Pcen(alpha=1.0)
    quiet, loud = (features.frames(hiss(32_000, level=level)) for level in (0.01, 0.3))
    by_log = [LogMel().frames(hiss(32_000, level=level)) for level in (0.01, 0.3)]

    assert np.abs(loud - quiet).max() < 0.01
    assert np.abs(by_log[1] - by_log[0]).min() > 1


def test_silence_is_zero_whatever_went_before() -> None:
    signal = np.concatenate([np.zeros(800), hiss(1600), np.zeros(3200)]).astype(np.float32)
    frames = Pcen().frames(signal)

    np.testing.assert_array_equal(frames[:2], Pcen().silence)
    np.testing.assert_array_equal(frames[-15:], Pcen().silence)
    assert np.isfinite(frames).all()


def test_material_kept_as_log_mel_gives_the_same_frames() -> None:
    features = Pcen(bands=32)
    samples = hiss(8_000)
    kept = features.log_mel.frames(samples)

    np.testing.assert_allclose(features.from_log_mel(kept), features.frames(samples), atol=1e-3)
    assert LogMel(bands=32).from_log_mel(kept) is kept


def test_a_batch_is_compressed_as_each_of_its_rows() -> None:
    features = Pcen()
    rows = np.stack([features.energy(hiss(4_000, seed)) for seed in range(3)])
    np.testing.assert_allclose(
        features.compress(rows), [features.compress(row) for row in rows], rtol=1e-5
    )


@pytest.mark.parametrize("features", [LogMel(bands=24), Pcen(smoothing=0.1, root=0.25)])
def test_the_model_file_names_the_front_end_and_its_settings(features: FrontEnd) -> None:
    assert front_end(features.describe()) == features


def test_a_file_that_names_no_kind_is_log_mel() -> None:
    old = {"version": 1, "rate_hz": 16000, "width_samples": 400, "hop_samples": 160,
           "fft_samples": 512, "bands": 40, "low_hz": 60.0, "high_hz": 7600.0}  # fmt: skip
    assert front_end(old) == LogMel()
    assert LogMel().describe() == old


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "mfcc"}, "needs features 'mfcc', this program knows log-mel, pcen"),
        ({"version": 2}, "of version 2"),
        ({"hop_samples": 0}, "hop_samples: got 0; expected a whole number above 0"),
        ({"bands": 40.5}, "bands"),
        ({"high_hz": 9000.0}, "high_hz: got 9000.0; expected half the rate at most"),
        ({"low_hz": 7700.0}, "low_hz"),
        ({"width_samples": 600}, "at most 512, the length of the transform"),
        ({"smoothing": 0}, "smoothing: got 0; expected above 0, at most 1"),
        ({"floor": 0.0}, "floor"),
        ({"root": "half"}, "cannot be"),
        ({"colour": 3}, "colour"),
    ],
)
def test_settings_that_cannot_be_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ModelUnreadable, match=words):
        front_end(Pcen().describe() | change)


def test_settings_of_a_caller_are_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match=r"features\.alpha: got 1\.5"):
        Pcen(alpha=1.5)
    assert set(FRONT_ENDS) == {"log-mel", "pcen"}


def test_a_detector_on_pcen_is_kept_and_streams_the_scores_of_a_scan(
    detector: KeywordDetector, murmur: Array, tmp_path: Path
) -> None:
    path = tmp_path / "pcen.safetensors"
    replace(detector, features=Pcen()).save(path)
    kept = KeywordDetector.load(path)
    session = SpotSession(kept, 16_000, SpotOptions(features=True))
    silence = np.zeros(kept.padding_samples, np.float32)

    updates = [*map(session.push, np.split(murmur, [1, 7_000, 7_100])), session.finish()]

    frames = kept.features.frames(np.concatenate([silence, murmur, silence]))
    streamed = [window.scores for update in updates for window in update.windows]
    np.testing.assert_allclose(streamed, scan(kept.net, frames[None]).scores[0], atol=1e-4)
    told = np.concatenate([u.features for u in updates if u.features is not None])
    first = kept.padding_samples // kept.features.hop_samples
    np.testing.assert_allclose(told, frames[first : first + len(told)], atol=1e-5)
    assert kept.features == Pcen()


def test_augmented_material_is_what_the_front_end_makes_of_the_same_energies() -> None:
    noise = LogMel().frames(hiss(16_000, 7))
    values = np.stack([LogMel().frames(hiss(8_000, seed)) for seed in range(3)])
    by_log, by_pcen = (
        Spectral(noise, patches=False, front=front)(values, np.random.default_rng(1))
        for front in (LogMel(), Pcen())
    )

    np.testing.assert_allclose(by_pcen, Pcen().compress(expand(by_log)), atol=5e-3)

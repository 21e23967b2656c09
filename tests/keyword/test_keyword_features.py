"""Features: streamed = whole for any chunking; values, versions, inverses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweepnet_service.detectors.keyword.features import LogMel, LogMelStream, compress, expand
from sweepnet_service.errors import ModelUnreadable

FEATURES = LogMel()


@given(
    chunks=st.lists(st.integers(0, 900) | st.sampled_from([0, 1, 160, 400]), max_size=30),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_streamed_frames_are_those_of_the_whole(chunks: list[int], seed: int) -> None:
    signal = np.random.default_rng(seed).standard_normal(sum(chunks)).astype(np.float32)
    stream = LogMelStream(FEATURES)
    ends = np.cumsum(chunks, dtype=int)
    parts = [stream.push(signal[end - size : end]) for end, size in zip(ends, chunks, strict=True)]
    joined = np.concatenate([np.empty((0, 40), np.float32), *parts])
    np.testing.assert_allclose(joined, FEATURES.frames(signal), atol=1e-5)


@given(st.integers(0, 5_000))
def test_count_is_the_number_of_frames(samples: int) -> None:
    assert len(FEATURES.frames(np.zeros(samples, np.float32))) == FEATURES.count(samples)


def test_silence_has_the_floor_value_in_every_band() -> None:
    np.testing.assert_allclose(FEATURES.frames(np.zeros(800, np.float32)), FEATURES.silence)
    assert FEATURES.silence == pytest.approx(np.log(1e-5) / 4 + 0.3)


def test_a_tone_is_loudest_in_its_own_band() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(1600) / 16_000).astype(np.float32)
    band = int(np.argmax(FEATURES.frames(tone)[0]))
    centres_hz = 31.25 * np.argmax(FEATURES.filters, axis=0)
    assert abs(centres_hz[band] - 1000) < 60


def test_every_band_hears_something() -> None:
    assert np.all(FEATURES.filters.max(axis=0) > 0.2)


def test_expand_inverts_compress() -> None:
    energy = np.geomspace(1e-4, 1e4, 50).astype(np.float32)
    np.testing.assert_allclose(expand(compress(energy)), energy, rtol=1e-4, atol=1e-7)


def test_settings_survive_a_model_file_and_newer_ones_are_refused() -> None:
    description = LogMel(bands=32).describe()
    assert LogMel.from_description(description) == LogMel(bands=32)
    with pytest.raises(ModelUnreadable, match="version 2"):
        LogMel.from_description(description | {"version": 2})

"""Features: streamed = whole for any chunking; values, versions, inverses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.arrays import Array
from cnn_core.geometry import Window
from sweepnet_service.detectors.keyword.features import LogMel, compress, expand
from sweepnet_service.detectors.keyword.frontend import FrontEnd
from sweepnet_service.detectors.keyword.pcen import Pcen
from sweepnet_service.errors import ModelUnreadable

FEATURES = LogMel()


@given(
    chunks=st.lists(st.integers(0, 900) | st.sampled_from([0, 1, 160, 400]), max_size=30),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_streamed_frames_are_those_of_the_whole(chunks: list[int], seed: int) -> None:
    signal = np.random.default_rng(seed).standard_normal(sum(chunks)).astype(np.float32)
    stream = FEATURES.stream()
    ends = np.cumsum(chunks, dtype=int)
    parts = [
        FEATURES.push([stream], [signal[end - size : end]], [False])[0]
        for end, size in zip(ends, chunks, strict=True)
    ]
    joined = np.concatenate([np.empty((0, 40), np.float32), *parts])
    np.testing.assert_allclose(joined, FEATURES.frames(signal), atol=1e-5)


@given(
    chunks=st.lists(st.lists(st.integers(0, 900), min_size=6, max_size=6), max_size=6),
    window=st.sampled_from([Window(7, 3), Window(4, 2), Window(5, 1, -4), Window(20, 4)]),
    kind=st.sampled_from([LogMel(), Pcen()]),
)
@settings(max_examples=40, deadline=None)
def test_frames_of_many_streams_come_in_whole_steps_and_none_is_lost(
    chunks: list[list[int]], window: Window, kind: FrontEnd
) -> None:
    """Streams of different lengths and places by one transform; what waits comes at the end."""
    rng = np.random.default_rng(len(chunks))
    signals = rng.standard_normal((6, 900 * len(chunks))).astype(np.float32)
    streams = [kind.stream(window) for _ in signals]
    got: list[list[Array]] = [[] for _ in signals]
    at = np.zeros(6, int)
    for step, last in [*((chunk, False) for chunk in chunks), ([0] * 6, True)]:
        ends = at + step
        pieces = [signal[a:b] for signal, a, b in zip(signals, at, ends, strict=True)]
        frames, counts = kind.push(streams, pieces, [last] * 6)
        for own, part in zip(got, np.split(frames, np.cumsum(counts)[:-1]), strict=True):
            own.append(part)
        at = ends
    for signal, parts, end in zip(signals, got, at, strict=True):
        np.testing.assert_allclose(np.concatenate(parts), kind.frames(signal[:end]), atol=2e-5)
        given = np.cumsum([len(part) for part in parts])[:-1]
        first = int(window.start + window.size)
        assert not any((n - first) % int(window.step) for n in given if n)


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

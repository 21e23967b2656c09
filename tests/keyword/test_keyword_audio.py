"""Audio files: what is read, and a clear answer for what cannot be."""

from __future__ import annotations

import gc
import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword import AudioLimits, KeywordDetector, SpotSession, open_audio
from sweepnet_service.errors import InvalidInput, LimitExceeded, NotFound


@pytest.mark.parametrize(
    ("suffix", "subtype"),
    [("wav", "PCM_16"), ("wav", "FLOAT"), ("flac", "PCM_24"), ("ogg", "OPUS"), ("mp3", None)],
)
def test_formats_are_read_in_blocks(
    tmp_path: Path, murmur: Array, suffix: str, subtype: str | None
) -> None:
    path = tmp_path / f"speech.{suffix}"
    soundfile.write(path, np.stack([murmur, 0 * murmur], axis=1), 16_000, subtype=subtype)
    with open_audio(path) as reader:
        assert (reader.rate_hz, reader.channels) == (16_000, 2)
        blocks = list(reader.blocks(1_000))
    assert all(block.dtype == np.float32 and block.shape[1] == 2 for block in blocks)
    assert max(map(len, blocks)) <= 1_000
    assert abs(sum(map(len, blocks)) - len(murmur)) < 2_500


def test_lossless_samples_come_back(tmp_path: Path, murmur: Array) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, murmur, 44_100, subtype="FLOAT")
    with open_audio(path) as reader:
        assert reader.frames == len(murmur)
        np.testing.assert_array_equal(np.concatenate(list(reader.blocks()))[:, 0], murmur)


def test_an_open_stream_is_read(murmur: Array) -> None:
    memory = io.BytesIO()
    soundfile.write(memory, murmur, 16_000, format="FLAC")
    memory.seek(0)
    with open_audio(memory) as reader:
        assert sum(map(len, reader.blocks())) == len(murmur)


def test_wrong_files_are_named(tmp_path: Path, murmur: Array) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is no sound")
    (tmp_path / "samples.raw").write_bytes(bytes(1_000))
    soundfile.write(tmp_path / "none.wav", np.empty(0), 16_000)
    for name, words in (
        ("empty.wav", "empty"),
        ("text.wav", "not audio"),
        ("samples.raw", "not audio"),
    ):
        with pytest.raises(InvalidInput, match=words) as raised:
            open_audio(tmp_path / name)
        assert name in str(raised.value)
    with pytest.raises(InvalidInput, match="folder"):
        open_audio(tmp_path)
    with pytest.raises(NotFound, match="no such file"):
        open_audio(tmp_path / "missing.wav")
    with open_audio(tmp_path / "none.wav") as reader, pytest.raises(InvalidInput, match="no samp"):
        list(reader.blocks())


def test_a_file_cut_short_gives_what_it_has(tmp_path: Path, murmur: Array) -> None:
    whole = tmp_path / "whole.flac"
    soundfile.write(whole, murmur, 16_000)
    cut = tmp_path / "cut.flac"
    cut.write_bytes(whole.read_bytes()[:40_000])
    with open_audio(cut) as reader:
        try:
            read = sum(map(len, reader.blocks()))
        except InvalidInput as error:
            assert "damaged" in str(error)  # noqa: PT017
        else:
            assert 0 < read < len(murmur)


def test_a_session_keeps_no_more_after_minutes_than_after_seconds(
    detector: KeywordDetector, murmur: Array
) -> None:
    session = SpotSession(detector, 44_100)
    kept = []
    tracemalloc.start()
    for _ in range(3):
        for _ in range(8):
            session.push(murmur)
        gc.collect()
        kept.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()

    # Eight pushes are 1.5 MB of samples and 140 kB of frames.
    assert kept[2] - kept[1] < 60_000


def test_limits_hold(tmp_path: Path, murmur: Array) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, murmur, 16_000)
    for limits in (AudioLimits(longest_s=1), AudioLimits(largest_bytes=100)):
        with pytest.raises(LimitExceeded):
            open_audio(path, limits)
    soundfile.write(path, np.zeros((10, 3)), 16_000)
    with pytest.raises(LimitExceeded, match="3 channels"):
        open_audio(path, AudioLimits(channels=2))

"""Files that are less than they say, or damaged: told, never scored as if they were whole."""

from __future__ import annotations

import io
import struct
import tracemalloc
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from sweepnet_service.detectors.keyword import open_audio
from sweepnet_service.errors import InvalidInput, LimitExceeded, SweepnetError
from sweepnet_service.spotting import Spool

FORMATS = [
    ("WAV", "PCM_16"),
    ("WAV", "FLOAT"),
    ("WAV", "ULAW"),
    ("WAV", "IMA_ADPCM"),
    ("WAVEX", "PCM_24"),
    ("RF64", "PCM_16"),
    ("W64", "PCM_16"),
    ("AIFF", "PCM_16"),
    ("AU", "PCM_16"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
]


@cache
def whole(container: str, subtype: str, channels: int = 1) -> bytes:
    """The bytes of a file of 0.5 s of noise."""
    noise = 0.1 * np.random.default_rng(3).standard_normal((8_000, channels))
    file = io.BytesIO()
    soundfile.write(file, noise, 16_000, format=container, subtype=subtype)
    return file.getvalue()


def frames_of(data: bytes) -> int:
    """Read as an upload is."""
    with Spool(None) as spool:
        spool.write(data)
        spool.seek(0)
        return read(spool)


def read(spool: Spool) -> int:
    with open_audio(spool) as reader:
        return sum(map(len, reader.blocks(1_000)))


@pytest.mark.parametrize(("container", "subtype"), FORMATS)
def test_whole_files_are_read_whole(container: str, subtype: str) -> None:
    assert 8_000 <= frames_of(whole(container, subtype)) < 10_000


@pytest.mark.parametrize(("container", "subtype"), FORMATS)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_a_file_cut_anywhere_is_refused(container: str, subtype: str, data: st.DataObject) -> None:
    """From the second byte on: a lone one may be what fills a chunk up to an even size."""
    file = whole(container, subtype)
    kept = data.draw(st.integers(1, len(file) - 2))

    with pytest.raises(InvalidInput):
        frames_of(file[:kept])


def test_what_is_missing_is_told() -> None:
    wav = whole("WAV", "PCM_16")
    with pytest.raises(InvalidInput, match=r"audio: is cut short: 0\.250 s are there, 7999 bytes"):
        frames_of(wav[:-8_000])
    flac = whole("FLAC", "PCM_16")
    with pytest.raises(InvalidInput, match=r"damaged or cut short: \d\.\d+ of 0\.500 s can be"):
        frames_of(flac[:-100])


@pytest.mark.parametrize("size", [0x7FFF_F000, 0x8000_0000, 0xFFFF_FFFF])
def test_a_file_written_to_a_pipe_promises_no_size(size: int) -> None:
    wav = whole("WAV", "PCM_16")
    place = wav.index(b"data") + 4
    assert frames_of(wav[:place] + struct.pack("<I", size) + wav[place + 4 :]) == 8_000


def test_an_mp3_without_a_count_of_frames_is_read_to_its_end() -> None:
    """Its length would be guessed from the first frame's bit rate, and wrongly."""
    file = io.BytesIO()
    hushed = np.concatenate([np.zeros(32_000), np.random.default_rng(0).uniform(-1, 1, 32_000)])
    soundfile.write(file, hushed, 16_000, format="MP3", bitrate_mode="VARIABLE")
    mp3 = file.getvalue()
    second = next(k for k in range(4, 2_000) if mp3[k : k + 2] == mp3[:2] and mp3[k + 2] >> 4)
    with open_audio(io.BytesIO(mp3[second:])) as reader:
        assert reader.frames is None
        assert sum(map(len, reader.blocks())) >= 60_000
    with open_audio(io.BytesIO(mp3)) as reader:
        assert reader.frames == 64_000


@pytest.mark.parametrize("bits", [1, 3, 7])
@pytest.mark.parametrize("container", ["WAV", "WAVEX"])
def test_samples_of_a_few_bits_are_refused(bits: int, container: str) -> None:
    wav = whole(container, "PCM_16")
    place = wav.index(b"fmt ") + 8 + 14
    with pytest.raises(InvalidInput, match=r"bit|not audio"):
        frames_of(wav[:place] + struct.pack("<H", bits) + wav[place + 2 :])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e9])
def test_a_sample_that_is_no_number_is_told_with_its_place(value: float, tmp_path: Path) -> None:
    samples = np.zeros((8_000, 2), np.float32)
    samples[4_000, 1] = value
    soundfile.write(tmp_path / "nan.wav", samples, 16_000, subtype="FLOAT")
    with (
        open_audio(tmp_path / "nan.wav") as reader,
        pytest.raises(InvalidInput, match=r"nan\.wav: holds a sample .* at 0\.250 s"),
    ):
        list(reader.blocks(1_000))


@given(data=st.data(), place=st.integers(0, 99), value=st.integers(0, 255))
@settings(max_examples=100, deadline=None)
def test_a_wrong_byte_in_a_header_is_an_answer_not_a_crash(
    data: st.DataObject, place: int, value: int
) -> None:
    container, subtype = data.draw(st.sampled_from(FORMATS))
    file = bytearray(whole(container, subtype))
    file[place] = value
    try:
        frames_of(bytes(file))
    except SweepnetError as error:
        assert error.where == "audio"  # noqa: PT017


def long_wav(path: Path, hours: int) -> Path:
    """A WAV file of so many hours at 4 kHz; the system keeps no byte of its samples."""
    size = hours * 3_600 * 4_000
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1,
                         4_000, 4_000, 1, 8, b"data", size)  # fmt: skip
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + size)
    return path


def test_a_file_of_ten_hours_is_read_in_bounded_memory(tmp_path: Path) -> None:
    tracemalloc.start()
    with open_audio(long_wav(tmp_path / "night.wav", 10)) as reader:
        assert sum(map(len, reader.blocks())) == 36_000 * 4_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 4_000_000


def test_a_file_of_thirteen_hours_is_refused_by_its_header(tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded, match="lasts 46800 s or more; at most 43200 s"):
        open_audio(long_wav(tmp_path / "long.wav", 13))

"""Recordings as they come: raw samples that only their sender can name."""

from __future__ import annotations

import asyncio
import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import soundfile

from sweepnet import AsyncClient, Client, InvalidInput, LimitExceeded, SpotResult


@pytest.mark.parametrize("channel_count", [1, 2, 3])
@pytest.mark.parametrize(("encoding", "dtype"), [("LINEAR16", "<i2"), ("FLOAT32", "<f4")])
def test_raw_samples_score_as_the_same_samples_in_a_file(
    server: str, noise: Any, channel_count: int, encoding: Any, dtype: str
) -> None:
    """Also where a piece of the upload would end inside a frame, as with three channels."""
    samples = np.resize(noise[:, :1], (40_000, channel_count))
    whole = np.round(samples * 32768).clip(-32768, 32767)
    raw = (whole if dtype == "<i2" else whole / 32768).astype(dtype).tobytes()
    file = io.BytesIO()
    soundfile.write(file, (whole / 32768).astype("f4"), 8_000, format="WAV", subtype="FLOAT")
    with Client(server) as client:
        told = client.spot(
            raw, encoding=encoding, rate_hz=8_000, channel_count=channel_count, detectors=["tiny"]
        )
        expected = client.spot(file.getvalue(), detectors=["tiny"])

    assert told.duration_s == expected.duration_s == 5
    assert told.scores == pytest.approx(expected.scores, abs=1e-5)
    assert [each.start_sample for each in told.events] == [
        each.start_sample for each in expected.events
    ]
    assert told.opened.channel_count == channel_count


def test_raw_samples_that_are_none_or_end_inside_a_frame_are_refused(server: str) -> None:
    raw: Any = {"encoding": "LINEAR16", "detectors": ["tiny"], "channel_count": 2}
    with Client(server) as client:
        with pytest.raises(InvalidInput, match="holds no samples"):
            client.spot(b"", **raw)
        with pytest.raises(InvalidInput, match="expected a multiple of 4"):
            client.spot(bytes(401), **raw)

    async def alike() -> None:
        async with AsyncClient(server) as client:
            with pytest.raises(InvalidInput, match="holds no samples"):
                await client.spot(b"", **raw)

    asyncio.run(alike())


def wav(samples: Any, rate_hz: int = 16_000, subtype: str = "FLOAT", form: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=form, subtype=subtype)
    return file.getvalue()


def with_nan(samples: Any) -> Any:
    return np.where(np.arange(len(samples)) == 8_000, np.nan, samples).astype(np.float32)


def of_bits(data: bytes, bits: int) -> bytes:
    place = data.index(b"fmt ") + 8 + 14
    return data[:place] + struct.pack("<H", bits) + data[place + 2 :]


Make = Callable[[Any], bytes]
REFUSED: dict[str, tuple[Make, type[Exception], str]] = {
    "empty": (lambda x: b"", InvalidInput, r"is empty \(0 bytes\); expected WAV"),
    "no samples": (lambda x: wav(x[:0]), InvalidInput, "holds no samples"),
    "cut FLAC": (
        lambda x: wav(x, form="FLAC", subtype="PCM_16")[:-2_000],
        InvalidInput,
        r"damaged or cut short: 2\.\d+ of 3\.000 s can be read",
    ),
    "cut WAV": (
        lambda x: wav(x)[:-96_000],
        InvalidInput,
        r"cut short: 1\.500 s are there, 95999 bytes or more are missing",
    ),
    "cut OGG": (lambda x: wav(x, form="OGG", subtype="OPUS")[:-100], InvalidInput, "cut short"),
    "3 bit": (
        lambda x: of_bits(wav(x, subtype="PCM_16"), 3),
        InvalidInput,
        "samples of 3 bits; expected 8, 16, 24 or 32",
    ),
    "NaN": (lambda x: wav(with_nan(x)), InvalidInput, r"no number .*nan.* at 0\.500 s"),
    "65 channels": (
        lambda x: wav(np.zeros((100, 65), np.float32)),
        LimitExceeded,
        "has 65 channels; at most 64",
    ),
    "2 kHz": (lambda x: wav(x, 2_000), InvalidInput, "got 2000; expected 4000 to 384000"),
    "500 kHz": (lambda x: wav(x, 500_000), InvalidInput, "got 500000; expected 4000 to 384000"),
    "raw": (lambda x: bytes(1_000), InvalidInput, "not audio that can be read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_scored_is_refused_with_its_reason(
    server: str, noise: Any, name: str
) -> None:
    make, error, words = REFUSED[name]
    with Client(server) as client, pytest.raises(error, match=words):
        client.spot(make(noise[:, 0]), detectors=["tiny"])


HEARD: dict[str, Make] = {
    "silence": lambda x: wav(0 * x),
    "one sample": lambda x: wav(x[:1]),
    "DC offset": lambda x: wav(x + np.float32(0.5)),
    "clipped": lambda x: wav((50 * x).clip(-1, 1), subtype="PCM_16"),
    "beyond full scale": lambda x: wav(50 * x),
    "192 kHz": lambda x: wav(np.repeat(x, 12), 192_000, "PCM_24"),
    "11.025 kHz": lambda x: wav(x, 11_025),
    "4 kHz": lambda x: wav(x, 4_000),
    "16 channels": lambda x: wav(np.stack([x] * 16, axis=1), subtype="PCM_16"),
    "8 bits": lambda x: wav(x, subtype="PCM_U8"),
    "64 bits": lambda x: wav(x, subtype="DOUBLE"),
    "AIFF": lambda x: wav(x, subtype="PCM_16", form="AIFF"),
    "MP3": lambda x: wav(x, subtype="MPEG_LAYER_III", form="MP3"),
    "Vorbis": lambda x: wav(x, subtype="VORBIS", form="OGG"),
}


@pytest.mark.parametrize("name", HEARD)
def test_what_is_odd_but_audio_is_scored(server: str, noise: Any, name: str) -> None:
    data = HEARD[name](noise[:, 0])
    with Client(server) as client:
        result = client.spot(data, detectors=["tiny"], replies="windows")

    with soundfile.SoundFile(io.BytesIO(data)) as file:
        assert result.duration_s == pytest.approx(len(file) / file.samplerate, abs=0.1)
        assert result.opened.channel_count == file.channels
    check_sane(result)


def check_sane(result: SpotResult) -> None:
    scores = [x for each in result.updates for w in each.windows for x in w.scores.values()]
    assert scores
    assert all(0 <= score <= 1 for score in (*scores, *result.scores.values()))
    for event in result.events:
        assert 0 <= event.start_s < event.end_s <= result.duration_s + 1e-6


def test_chunks_of_no_samples_change_nothing(server: str, noise: Any) -> None:
    data = (noise[:, 0] * 32767).astype("<i2").tobytes()
    with Client(server) as client:
        summaries = []
        for chunks in ([data], [b"", data[:2], b"", b"", data[2:], b""]):
            with client.stream(chunks, detectors=["tiny"]) as stream:
                list(stream)
                summaries.append(stream.summary)
    assert summaries[0] == summaries[1]

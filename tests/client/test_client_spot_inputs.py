"""Recordings as they come: raw samples that only their sender can name."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import numpy as np
import pytest
import soundfile

from sweepnet import AsyncClient, Client, InvalidInput


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

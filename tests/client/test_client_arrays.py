"""Arrays as sources: the same answers as the files and bytes that hold the same."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from sweepnet import ChannelChunk, Client, Detections, Gap, InvalidInput, SpotResult
from sweepnet._arrays import png, samples

RATE_HZ = 16_000


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server) as opened:
        yield opened


def whole(noise: Any) -> Any:
    """The noise as int16, which every kind of file and array holds exactly."""
    return (noise * 32767).astype(np.int16)


@pytest.mark.parametrize("kind", ["int16", "float32", "float64"])
@pytest.mark.parametrize("columns", [1, 2])
def test_samples_are_scored_as_the_file_that_holds_them(
    client: Client, noise: Any, tmp_path: Path, kind: str, columns: int
) -> None:
    exact = whole(noise)[:, :columns]
    soundfile.write(tmp_path / "same.wav", exact, 8_000, subtype="PCM_16")
    array = exact if kind == "int16" else (exact / 32768).astype(kind)

    found = client.spot(array[:, 0] if columns == 1 else array, detectors=["tiny"], rate_hz=8_000)
    expected = client.spot(tmp_path / "same.wav", detectors=["tiny"])

    assert found.opened.channel_count == columns
    assert [(e.label, e.start_sample, e.channel) for e in found.events] == [
        (e.label, e.start_sample, e.channel) for e in expected.events
    ]
    assert found.scores == pytest.approx(expected.scores, abs=1e-4)


def test_arrays_are_chunks_of_a_stream(client: Client, noise: Any) -> None:
    """Of all channels together, with gaps between, transposed and in steps, or of one."""
    exact = whole(noise)
    cut = [exact[:9_000], Gap(500), exact[9_000:]]
    bare = [each if isinstance(each, Gap) else each.tobytes() for each in cut]
    with client.stream(bare, detectors=["tiny"], channel_count=2) as stream:
        expected = list(stream)
    turned = [each if isinstance(each, Gap) else np.asfortranarray(each) for each in cut]
    for chunks in (cut, turned, [x if isinstance(x, Gap) else x.ravel() for x in cut]):
        with client.stream(chunks, detectors=["tiny"], channel_count=2) as stream:
            assert list(stream) == expected
    with client.listen(cut, detectors=["tiny"], channel_count=2) as listening:
        assert [u.read_until for u in listening][-1] == expected[-1].read_until

    with client.stream(
        [ChannelChunk(0, exact[:, 0]), [ChannelChunk(1, exact[:, 1])]],
        detectors=["tiny"],
        channel_count=2,
    ) as stream:
        assert list(stream)[-1].read_until == len(exact)


def test_codes_of_g711_are_arrays_of_bytes(client: Client, noise: Any) -> None:
    codes = np.arange(16_000, dtype=np.uint8)
    found = client.spot(codes, encoding="MULAW", detectors=["tiny"], rate_hz=8_000)
    same = client.spot(codes.tobytes(), encoding="MULAW", detectors=["tiny"], rate_hz=8_000)
    assert found == same


@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 1), (40, 50, 3), (40, 50, 4)])
def test_pixels_are_seen_as_the_file_that_holds_them(client: Client, shape: Any) -> None:
    pixels = np.random.default_rng(3).integers(0, 255, shape, dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if shape[-1] == 1 else pixels).save(file, "PNG")
    expected = client.detect(file.getvalue(), detectors=["blobs"], max_boxes=3)

    assert client.detect(pixels, detectors=["blobs"], max_boxes=3) == expected
    turned = np.asfortranarray(pixels)
    (scored,) = client.detect_stream([turned], detectors=["blobs"], max_boxes=3)
    assert (scored.source, scored.result) == ("array", expected)


def test_the_first_of_four_axes_counts_pictures(client: Client) -> None:
    video = np.random.default_rng(4).integers(0, 255, (3, 48, 40, 3), dtype=np.uint8)
    found = [scored.result for scored in client.detect_stream(video, detectors=["blobs"])]
    assert found == [client.detect(frame, detectors=["blobs"]) for frame in video]


def test_many_arrays_are_told_apart_by_their_looks(client: Client, noise: Any) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    sources = [noise[:, 0], pixels, pixels[..., 0], noise]
    found = list(client.score_many(sources, spot={"rate_hz": RATE_HZ}))
    kinds = [SpotResult, Detections, Detections, SpotResult]
    assert [type(scored.result) for scored in found] == kinds
    assert {scored.source for scored in found} == {"array"}


@settings(deadline=None)
@given(arrays.arrays(np.uint8, st.tuples(*[st.integers(1, 9)] * 2, st.sampled_from([1, 3, 4]))))
def test_a_png_holds_the_pixels(pixels: Any) -> None:
    """Law: what is decoded is what was encoded."""
    decoded = np.asarray(Image.open(io.BytesIO(png(pixels))))
    np.testing.assert_array_equal(decoded.reshape(pixels.shape), pixels)


@settings(deadline=None)
@given(arrays.arrays(np.float64, st.tuples(st.integers(0, 9), st.integers(1, 3))))
def test_samples_in_double_become_single(block: Any) -> None:
    """Law: bytes are the array's own, narrowed, frame by frame."""
    with np.errstate(over="ignore"):
        told = samples(block, "FLOAT32", block.shape[1])
        np.testing.assert_array_equal(np.frombuffer(told, "<f4"), block.astype(np.float32).ravel())


def test_arrays_that_are_none_are_refused_with_what_to_do(client: Client, noise: Any) -> None:
    many = np.zeros((65, 70), np.int16)
    wrong: list[tuple[Any, dict[str, Any], str]] = [
        (noise.T, {}, r"got an array of shape \(2, 48000\); expected \(samples,\), or"),
        (many, {}, "with at most 64 channels"),
        (np.zeros((2, 2, 2), np.float32), {}, r"shape \(2, 2, 2\)"),
        (np.float32(1), {}, r"got an array of shape \(\)"),
        (noise.astype(">f4"), {}, "got an array of >f4; expected int16, or float32"),
        (np.zeros(9, np.int64), {}, "got an array of int64"),
        (np.zeros(9, np.uint8), {}, "uint8 for the codes of MULAW"),
        (noise, {"encoding": "LINEAR16"}, "expected what LINEAR16 names; give encoding='FLOAT32'"),
        (noise, {"channel_count": 1}, "of 2 channel.* in a stream of 1; give channel_count=2"),
        (noise, {"encoding": "CONTAINER"}, "expected what CONTAINER names"),
        (np.zeros(0, np.float32), {"rate_hz": 8_000}, "holds no samples"),
        (noise, {}, "rate_hz: an array does not tell its rate"),
    ]
    for array, options, words in wrong:
        with pytest.raises(InvalidInput, match=words):
            client.spot(array, **options)
    with (
        client.stream([noise], channel_count=2) as stream,
        pytest.raises(InvalidInput, match="give encoding='FLOAT32', or turn"),
    ):
        list(stream)
    for pixels in (np.zeros((4, 4, 2), np.uint8), np.zeros((4, 0), np.uint8), noise):
        with pytest.raises(InvalidInput, match="expected uint8 of shape"):
            client.detect(pixels)
    for look in (client.detect_batch, client.detect_stream, client.score_many):
        with pytest.raises(InvalidInput, match=r"got one array, of shape \(9, 9, 3\); expected a"):
            list(look(np.zeros((9, 9, 3), np.uint8)))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="or an array of NumPy"):
        client.spot(3)  # type: ignore[arg-type]

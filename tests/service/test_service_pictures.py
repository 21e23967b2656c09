"""Regions of pictures and batches of them, through the server."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sweepnet_protos.v1 import image_detector_pb2 as pb2
from sweepnet_protos.v1 import image_detector_pb2_grpc as pb2_grpc

WIDTH, HEIGHT = 90, 70


@pytest.fixture(scope="module")
def finder(server: str) -> Iterator[Any]:
    with grpc.insecure_channel(server) as channel:
        yield pb2_grpc.ImageDetectorServiceStub(channel)


def png(pixels: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


PIXELS = np.random.default_rng(2).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def config(**more: Any) -> pb2.DetectConfig:
    return pb2.DetectConfig(
        detectors=["detectors/blobs"], include_score_map=True, max_boxes=5, **more
    )


def area(left: float, top: float, right: float, bottom: float) -> pb2.Area:
    return pb2.Area(x_min_px=left, y_min_px=top, x_max_px=right, y_max_px=bottom)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    across=st.tuples(st.integers(0, WIDTH - 20), st.integers(16, WIDTH)),
    down=st.tuples(st.integers(0, HEIGHT - 20), st.integers(16, HEIGHT)),
)
def test_a_region_is_a_picture_of_its_own_in_its_place(
    finder: Any, across: tuple[int, int], down: tuple[int, int]
) -> None:
    """Law: what lies outside of it changes nothing; places are those of the whole picture."""
    left, top = across[0], down[0]
    right, bottom = min(WIDTH, left + across[1]), min(HEIGHT, top + down[1])
    region = area(left + 0.25, top + 0.5, right - 0.25, bottom)

    within = finder.Detect(
        pb2.DetectRequest(config=config(region_of_interest=region), image=png(PIXELS))
    ).results[0]
    alone = finder.Detect(
        pb2.DetectRequest(config=config(), image=png(PIXELS[top:bottom, left:right]))
    ).results[0]

    assert (within.width_px, within.height_px) == (WIDTH, HEIGHT)
    assert dict(within.scores) == dict(alone.scores)
    assert list(within.score_map.scores) == list(alone.score_map.scores)
    assert within.score_map.start_x_px == pytest.approx(alone.score_map.start_x_px + left)
    assert within.score_map.start_y_px == pytest.approx(alone.score_map.start_y_px + top)
    for box, bare in zip(within.boxes, alone.boxes, strict=True):
        assert box.score == bare.score
        assert box.x_min_px == pytest.approx(bare.x_min_px + left)
        assert box.y_max_px == pytest.approx(bare.y_max_px + top)
        assert (box.corners_px[0].x_px, box.corners_px[0].y_px) == (box.x_min_px, box.y_min_px)


@pytest.mark.parametrize(
    "region",
    [(5, 5, 5, 9), (200, 0, 300, 50), (9, 9, 3, 20), (float("nan"), 0, 9, 9), (-9, -9, 0, 0)],
)
def test_a_region_without_a_pixel_is_refused(finder: Any, region: Any) -> None:
    wanted = config(region_of_interest=area(*region))
    with pytest.raises(grpc.RpcError, match=r"region_of_interest: got x .* which is 90 x 70 px"):
        finder.Detect(pb2.DetectRequest(config=wanted, image=png(PIXELS)))


def test_a_batch_answers_each_picture(finder: Any) -> None:
    """One that cannot be read by its error, and a region of its own goes before the common one."""
    common, own = area(0, 0, 40, 40), area(30, 20, 90, 70)
    pictures = [
        pb2.Picture(image=png(PIXELS)),
        pb2.Picture(image=b"no picture"),
        pb2.Picture(image=png(PIXELS), region_of_interest=own),
    ]
    request = pb2.BatchDetectRequest(config=config(region_of_interest=common), pictures=pictures)
    answers = finder.BatchDetect(request).answers

    assert [bool(each.error.message) for each in answers] == [False, True, False]
    for answer, region in ((answers[0], common), (answers[2], own)):
        wanted = config(region_of_interest=region)
        alone = finder.Detect(pb2.DetectRequest(config=wanted, image=png(PIXELS)))
        assert list(answer.results) == list(alone.results)


def test_a_batch_of_too_many_pictures_is_refused(finder: Any) -> None:
    request = pb2.BatchDetectRequest(config=config(), pictures=[pb2.Picture()] * 1001)
    with pytest.raises(grpc.RpcError, match="pictures: got 1001; expected at most 1000"):
        finder.BatchDetect(request)


def test_a_stream_takes_regions_of_single_pictures(finder: Any) -> None:
    own = area(30, 20, 90, 70)
    requests = [
        pb2.StreamingDetectRequest(config=config()),
        pb2.StreamingDetectRequest(image=png(PIXELS)),
        pb2.StreamingDetectRequest(picture=pb2.Picture(image=png(PIXELS), region_of_interest=own)),
    ]
    whole, part = list(finder.StreamingDetect(iter(requests)))

    assert whole.results[0].scores != part.results[0].scores
    wanted = config(region_of_interest=own)
    alone = finder.Detect(pb2.DetectRequest(config=wanted, image=png(PIXELS)))
    assert list(part.results) == list(alone.results)


WRONG_OPENINGS = {
    "config: the first message held nothing; expected the configuration": [],
    "config: the first message held image; expected the configuration": [
        pb2.StreamingDetectRequest(image=b"x")
    ],
    "config: the first message held an empty message": [pb2.StreamingDetectRequest()],
    "content: got config; expected image or picture": [
        pb2.StreamingDetectRequest(config=config()),
        pb2.StreamingDetectRequest(config=config()),
    ],
    "content: got an empty message; expected image or picture": [
        pb2.StreamingDetectRequest(config=config()),
        pb2.StreamingDetectRequest(),
    ],
    "no model named 'detectors/nope'": [
        pb2.StreamingDetectRequest(config=pb2.DetectConfig(detectors=["detectors/nope"]))
    ],
}


@pytest.mark.parametrize("words", WRONG_OPENINGS)
def test_a_stream_that_begins_wrongly_is_told_what_was_wrong(finder: Any, words: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        list(finder.StreamingDetect(iter(WRONG_OPENINGS[words]), timeout=20))
    assert words in str(caught.value)

"""What a stream and a picture may ask for beyond thresholds, as the client says it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from sweepnet import Area, ChannelChunk, Client, Gap, InvalidInput, SpotUpdate, _convert
from sweepnet_service.live import replies
from sweepnet_service.server import convert


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server) as opened:
        yield opened


def pcm(noise: Any, channel: int) -> bytes:
    return bytes((noise[:, channel] * 32767).astype("<i2").tobytes())


def heard(updates: list[SpotUpdate], channel: int) -> list[tuple[int, list[float]]]:
    return [
        (window.start_sample, list(window.scores.values()))
        for update in updates
        for each in update.channels
        if each.channel == channel
        for window in each.windows
    ]


def check_same(
    found: list[tuple[int, list[float]]], expected: list[tuple[int, list[float]]]
) -> None:
    assert [start for start, _ in found] == [start for start, _ in expected]
    np.testing.assert_allclose([x for _, x in found], [x for _, x in expected], atol=1e-4)


def test_channels_may_come_each_by_itself(client: Client, noise: Any) -> None:
    """Two calls on one connection, the second begun later and with a hole of its own."""
    one, other = pcm(noise, 0), pcm(noise, 1)[:40_000]
    with client.stream([one], detectors=["tiny"]) as stream:
        alone = heard(list(stream), 0)
    with client.stream([other[:20_000], Gap(500), other[20_000:]], detectors=["tiny"]) as stream:
        late = heard(list(stream), 0)
    chunks = [
        ChannelChunk(0, one[:30_000]),
        [ChannelChunk(1, other[:20_000]), ChannelChunk(0, one[30_000:])],
        ChannelChunk(1, Gap(500)),
        ChannelChunk(1, other[20_000:]),
    ]

    with client.stream(chunks, detectors=["tiny"], channel_count=2) as stream:
        updates = list(stream)

    check_same(heard(updates, 0), alone)
    check_same(heard(updates, 1), late)


def test_only_the_labels_asked_for_are_told(client: Client, noise: Any) -> None:
    with client.stream([pcm(noise, 0)], labels=["two"]) as stream:
        updates = list(stream)

    assert {label for u in updates for w in u.windows for label in w.scores} == {"two"}
    with (
        client.stream([pcm(noise, 0)], labels=["nope"]) as stream,
        pytest.raises(InvalidInput, match="nope"),
    ):
        list(stream)


def test_replies_may_be_apart(client: Client, noise: Any) -> None:
    data = pcm(noise, 0)
    chunks = [data[at : at + 2_560] for at in range(0, len(data), 2_560)]
    with client.stream(chunks, detectors=["tiny"]) as stream:
        each = list(stream)
    with client.stream(
        chunks, detectors=["tiny"], reply_interval_s=0.5, thresholds={"one": 1, "two": 1}
    ) as stream:
        apart = list(stream)

    assert len(apart) < len(each) / 3
    check_same(heard(apart, 0), heard(each, 0))


def test_a_picture_may_be_looked_at_in_a_part(client: Client, tmp_path: Path) -> None:
    Image.effect_noise((160, 120), 90).save(tmp_path / "noise.png")
    region = Area(40, 30, 120, 110)

    found = client.detect(tmp_path / "noise.png", detectors=["blobs"], region=region)

    assert (found.width_px, found.height_px) == (160, 120)
    assert found.boxes
    for box in found.boxes:
        assert 40 <= box.x_min_px < box.x_max_px <= 120
        assert 30 <= box.y_min_px < box.y_max_px <= 110


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"labels": "one"}, "labels: got 'one'; expected a list of labels"),
        ({"reply_interval_s": "1"}, "reply_interval_s: got '1'; expected seconds"),
        ({"capture_time": datetime(2026, 1, 1)}, "expected a datetime with a time zone"),
        ({"capture_time": 5}, "expected a datetime with a time zone"),
    ],
)
def test_wrong_options_are_told_before_anything_is_sent(
    client: Client, options: Any, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        client.stream([], **options)


def test_wrong_chunks_and_regions_are_told(client: Client, tmp_path: Path) -> None:
    wrong: list[tuple[Any, str]] = [
        ([1, 2], "ChannelChunk, one or a list"),
        (ChannelChunk(0, "text"), "of channel 0 is str; expected bytes"),  # type: ignore[arg-type]
    ]
    for chunk, words in wrong:
        with client.stream([chunk]) as stream, pytest.raises(TypeError, match=words):
            list(stream)
    with pytest.raises(InvalidInput, match=r"region: got .* expected an Area"):
        client.detect(b"", region=(0, 0, 1, 1))  # type: ignore[typeddict-item]
    with client.stream([], capture_time=datetime(2026, 1, 1, tzinfo=UTC)) as stream:
        assert list(stream) is not None


def test_a_version_that_took_over_is_told() -> None:
    """As the stream uses it from then on."""
    name, labels = "detectors/tiny", ("one", "two")
    over = replies.OpenedDetector(name, labels, {"one": 0.5, "two": 0.75}, 0.4, 0.03, (250.0,))
    quiet = SimpleNamespace(
        windows=(), aggregates=(), events=(), read_until=7, explanations=(), features=None
    )
    news = replies.ChannelNews(0, name, cast("Any", quiet), went_over=over)
    told = convert.update(replies.News(7, (news, replace(news, channel=1, went_over=None))))
    opened = _convert.opened(convert.opened(replies.Opened(16_000, 2, (0, 1), (over,))))
    first, second = _convert.update(told, opened).channels
    assert first.went_over == opened.detectors[0]
    assert second.went_over is None

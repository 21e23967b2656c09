"""What is kept of what detectors were unsure of: near, bounded, with an end, gone when deleted."""

from __future__ import annotations

import io
import time
import wave
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sweepnet_service.captures import Capture, Captures, Keeper, Sighting
from sweepnet_service.captures.capture import ANSWERS, from_json, identity_of
from sweepnet_service.captures.hearing import Watch
from sweepnet_service.captures.near import distance, is_near, lowered
from sweepnet_service.captures.seeing import seen
from sweepnet_service.detectors.image import Detections, DetectOptions
from sweepnet_service.detectors.image.results import Box
from sweepnet_service.errors import InvalidInput, NotFound
from sweepnet_service.live.request import SpotRequest
from sweepnet_service.live.stream import Gap, SpotStream, Step
from sweepnet_service.spotting import heard_alone

from .conftest import tiny_image, tiny_keyword

RATE_HZ = 16_000
HEARD = Sighting("keyword", "detectors/tiny", "one", 0.5, 0.6, "abcdef01", word_s=(0.7, 1.2))


@pytest.fixture
def captures(tmp_path: Path) -> Captures:
    return Captures(tmp_path / "kept")


@pytest.fixture
def keeper(captures: Captures) -> Iterator[Keeper]:
    opened = Keeper(captures, margin=1.0, pause_s=0.0)
    yield opened
    opened.close()


@given(st.floats(0, 1), st.floats(0.001, 0.999), st.floats(0.01, 10))
def test_what_is_near_is_found_at_lowered_thresholds(
    score: float, threshold: float, margin: float
) -> None:
    """And a threshold is never raised."""
    (low,) = lowered({"a": threshold}, margin).values()
    assert low <= threshold
    if is_near(score, threshold, margin - 1e-6):
        assert score >= low
    assert distance(threshold, threshold) == 0


def test_a_capture_is_what_was_kept(captures: Captures) -> None:
    kept = captures.add(HEARD, b"sound")
    assert kept is not None
    assert (kept.sighting, kept.size_bytes, kept.answer) == (HEARD, 5, "")
    assert captures.all() == [captures.get(kept.name)] == [kept]
    assert captures.content(kept.name) == b"sound"
    assert kept.expires_s - kept.created_s == 30 * 86_400
    assert captures.folder.stat().st_mode & 0o077 == 0


def test_an_answer_is_kept_and_taken_back(captures: Captures) -> None:
    kept = captures.add(HEARD, b"sound")
    assert kept is not None
    for answer in ANSWERS:
        assert captures.answer(kept.name, answer).answer == answer
        assert captures.get(kept.name).answer == answer
    with pytest.raises(InvalidInput, match="expected yes, no"):
        captures.answer(kept.name, "perhaps")  # type: ignore[arg-type]


def test_what_is_deleted_is_gone(captures: Captures) -> None:
    """No file is left, nor any part of one."""
    kept = captures.add(HEARD, b"sound")
    assert kept is not None
    captures.answer(kept.name, "yes")
    captures.delete(kept.name)
    assert list(captures.folder.iterdir()) == []
    for ask in (captures.get, captures.content, captures.delete):
        with pytest.raises(NotFound, match="may have expired"):
            ask(kept.name)


def test_an_answer_brings_nothing_back(captures: Captures, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given while somebody deletes it."""
    kept = captures.add(HEARD, b"sound")
    assert kept is not None
    read = Captures.get

    def get(self: Captures, name: str) -> Capture:
        found = read(self, name)
        self.delete(name)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Captures, "get", get)
        with pytest.raises(NotFound, match="deleted just now"):
            captures.answer(kept.name, "yes")
    assert list(captures.folder.iterdir()) == []


def test_the_oldest_without_an_answer_make_room(tmp_path: Path) -> None:
    """Never more bytes than stated; answers stay, and fill the room at last."""
    captures = Captures(tmp_path, most_bytes=30)
    kept = [captures.add(HEARD, b"0123456789") for _ in range(3)]
    assert kept[0] is not None
    captures.answer(kept[0].name, "no")
    names = {each.name for each in captures.all()}
    another = captures.add(HEARD, b"0123456789")
    assert another is not None
    left = {each.name for each in captures.all()}
    assert len(left) == 3
    assert kept[0].name in left
    assert len(names - left) == 1
    for each in captures.all():
        captures.answer(each.name, "yes")
    assert captures.add(HEARD, b"0123456789") is None
    assert captures.add(HEARD, b"x" * 31) is None
    assert sum(path.stat().st_size for path in tmp_path.glob("*.content")) <= 30


def test_each_has_an_end(captures: Captures, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answered or not; what a training learns from goes when that has ended."""
    kept = [captures.add(HEARD, b"sound") for _ in range(2)]
    assert kept[0] is not None
    assert kept[1] is not None
    captures.answer(kept[0].name, "yes")
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + 31 * 86_400)
    assert captures.all() == []
    with pytest.raises(NotFound):
        captures.content(kept[0].name)
    captures.expire(in_use=lambda identity: identity == identity_of(kept[0].name))
    assert len(list(captures.folder.iterdir())) == 2
    captures.expire()
    assert list(captures.folder.iterdir()) == []


def test_what_a_crash_left_goes(captures: Captures, monkeypatch: pytest.MonkeyPatch) -> None:
    """Audio without its record, which nobody could find to delete it."""
    kept = captures.add(HEARD, b"sound")
    assert kept is not None
    (captures.folder / f"{kept.id}.json").write_bytes(b'{"id"')
    (captures.folder / f".{kept.id}.content.123.tmp").write_bytes(b"half")
    captures.expire()
    assert (captures.folder / f"{kept.id}.content").exists()
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + 4000)
    captures.expire()
    assert list(captures.folder.iterdir()) == []


@pytest.mark.parametrize(
    "record",
    [b"", b"[]", b"{}", b'{"sighting": 1}', b'{"sighting": {}, "id": "x"}', b"\xff", b"null"],
)
def test_a_damaged_record_is_no_capture(record: bytes) -> None:
    assert from_json(record) is None


@pytest.mark.parametrize(
    "name", ["", "captures/", "captures/../x", "x", "captures/20261121t183002-1f3a5b7c/..", "a/b"]
)
def test_no_name_leads_elsewhere(captures: Captures, name: str) -> None:
    with pytest.raises(InvalidInput, match="expected a name such as"):
        captures.get(name)


def heard(keeper: Keeper | None, samples: Any, chunk: int, gap: bool = False) -> Any:
    """The events of a stream under `tiny`, watched where there is a keeper."""
    request = SpotRequest(rate_hz=RATE_HZ, channel_count=1, labels=("one",))
    detectors = [("detectors/tiny/versions/3", tiny_keyword())]
    watch = None if keeper is None else Watch(keeper)
    stream = SpotStream(request, detectors, watch=watch)
    for at in range(0, len(samples), chunk):
        heard_alone(stream, Step(partial(stream.push, samples[at : at + chunk, None]), 0))
    if gap:
        (step,) = stream.steps(Gap(800))
        heard_alone(stream, step)
    heard_alone(stream, stream.last_step)
    return stream.summary().channels[0].events


def test_words_near_the_threshold_are_kept_with_their_audio(captures: Captures, noise: Any) -> None:
    """Each clip is the audio itself, and what is told of the word holds for its place there."""
    keeper = Keeper(captures, margin=1.5, pause_s=0.0)
    events = heard(keeper, noise[:, 0], 1_280, gap=True)
    keeper.close()
    kept = captures.all()
    assert kept
    assert events == heard(None, noise[:, 0], 1_280, gap=True)
    quantised = np.rint(noise[:, 0].clip(-1, 1) * 32_767).astype("<i2")
    for each in kept:
        assert (each.sighting.detector, each.sighting.label) == ("detectors/tiny", "one")
        assert is_near(each.sighting.score, 0.6, 1.5)
        with wave.open(io.BytesIO(captures.content(each.name))) as file:
            assert (file.getframerate(), file.getnchannels()) == (RATE_HZ, 1)
            clip = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        start_s, end_s = each.sighting.word_s
        assert 0 <= start_s < end_s <= len(clip) / RATE_HZ
        assert end_s - start_s <= 0.15 + 1e-6
        places = np.flatnonzero(quantised[: len(quantised) - len(clip) + 1] == clip[0])
        assert any((quantised[at : at + len(clip)] == clip).all() for at in places)
    assert len({each.sighting.group for each in kept}) == 1


def test_what_is_kept_does_not_depend_on_the_chunks(tmp_path: Path, noise: Any) -> None:
    found = []
    for chunk in (997, 16_000, 48_000):
        captures = Captures(tmp_path / str(chunk))
        keeper = Keeper(captures, margin=1.5, pause_s=0.0)
        heard(keeper, noise[:, 0], chunk)
        keeper.close()
        found.append(sorted(round(each.sighting.score, 4) for each in captures.all()))
    assert found[0] == found[1] == found[2]


def test_objects_near_the_threshold_are_kept_with_their_picture(
    captures: Captures, flower_data: Path
) -> None:
    """And nothing else is told than without."""
    picture = (flower_data / "flowers" / "train" / "p0.png").read_bytes()
    detector = tiny_image()
    every = detector.detect(picture, DetectOptions({"blob": 0.0}))
    threshold = float(np.median([box.score for box in every.boxes]))
    options = DetectOptions({"blob": threshold})
    keeper = Keeper(captures, margin=0.5, pause_s=0.0)
    found = seen(
        keeper,
        "detectors/blobs@live",
        detector,
        options,
        lambda x: detector.detect(picture, x),
        picture,
    )
    keeper.close()
    assert found.boxes == detector.detect(picture, options).boxes
    (kept,) = captures.all()
    assert captures.content(kept.name) == picture
    assert kept.sighting.detector == "detectors/blobs"
    assert len(kept.sighting.area_px) == 4
    assert is_near(kept.sighting.score, threshold, 0.5)
    with Image.open(io.BytesIO(captures.content(kept.name))) as shown:
        assert shown.size == (found.width_px, found.height_px)


def test_a_box_that_is_not_told_takes_no_room(captures: Captures) -> None:
    """One of another label, with a better score but below its threshold, pushed it out."""
    boxes = (Box("cat", 0.8, 0, 0, 9, 9), Box("dog", 0.5, 9, 0, 20, 9))
    detector: Any = SimpleNamespace(default_thresholds={"cat": 0.9, "dog": 0.3})

    def look(options: DetectOptions) -> Detections:
        chosen = {**detector.default_thresholds, **options.thresholds}
        found = tuple(box for box in boxes if box.score >= chosen[box.label])
        return Detections(20, 9, {"cat": 0.8, "dog": 0.5}, found[: options.max_boxes])

    keeper = Keeper(captures, margin=1.5, pause_s=0.0)
    options = DetectOptions(max_boxes=1)
    found = seen(keeper, "detectors/pets", detector, options, look, b"a picture")
    keeper.close()
    assert found.boxes == look(options).boxes == boxes[1:]


def test_not_too_many_are_kept(captures: Captures) -> None:
    """Of one detector and label one in a while: a stream of them must not fill the disk."""
    keeper = Keeper(captures, margin=1.0, pause_s=60.0)
    for _ in range(5):
        keeper.offer(HEARD, lambda: b"sound")
    keeper.close()
    assert len(captures.all()) == 1


def test_a_disk_that_fails_ends_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What could not be kept is let go, and logged with its reason; what comes later is kept."""
    (tmp_path / "kept").write_bytes(b"a file where the folder should be")
    keeper = Keeper(Captures(tmp_path / "kept"), margin=1.0, pause_s=0.0)
    keeper.offer(HEARD, lambda: b"sound")
    deadline_s = time.monotonic() + 5
    while keeper._waiting.qsize() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    (tmp_path / "kept").unlink()
    keeper.offer(HEARD, lambda: b"sound")
    keeper.close()
    assert len(Captures(tmp_path / "kept").all()) >= 1
    logged = "".join(capfd.readouterr())
    assert "File exists" in logged
    assert str(tmp_path) not in logged

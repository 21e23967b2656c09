"""Answers to captures join what the next training learns from, and leave it when deleted."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from sweepnet_service.captures import Captures, Sighting
from sweepnet_service.captures.hearing import wav_of
from sweepnet_service.detectors.image.dataset import read_listing, read_listing_if_any
from sweepnet_service.detectors.keyword.intake import read_dataset
from sweepnet_service.errors import FailedPrecondition, InvalidInput, NotFound
from sweepnet_service.training import staged_words
from sweepnet_service.training.answers import LOCK, forget_capture, in_use, with_answers
from sweepnet_service.training.order import Order
from sweepnet_service.training.places import PLACES, place_of
from sweepnet_service.training.worker import locked

WORD = Sighting(
    "keyword", "detectors/good_day", "good day", 0.5, 0.6, "ab12cd34", word_s=(0.7, 1.2)
)
THING = Sighting(
    "image", "detectors/squares", "squares", 0.5, 0.6, "ab12cd34", area_px=(8.0, 8.0, 40.0, 40.0)
)


@pytest.fixture
def captures(tmp_path: Path) -> Captures:
    return Captures(tmp_path / "kept")


def spoken(captures: Captures, answer: Any, sighting: Sighting = WORD) -> str:
    """The name of a capture that was answered."""
    noise = np.random.default_rng(len(captures.all())).integers(-9000, 9000, 30_400)
    kept = captures.add(sighting, wav_of(noise.astype("<i2"), 16_000))
    assert kept is not None
    return captures.answer(kept.name, answer).name


def folder_of_recordings(folder: Path) -> Path:
    for kind in ("positive", "negative"):
        (folder / kind).mkdir(parents=True)
        noise = np.random.default_rng(3).normal(0, 0.1, 16_000)
        soundfile.write(folder / kind / "a.wav", noise, 16_000)
    return folder


def order_of(data: Path, captures: Captures, **given: Any) -> Order:
    made = Order("keyword", "detectors/good_day", data, captures=str(captures.folder))
    return replace(made, **given)


def test_answers_join_a_folder(
    captures: Captures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A word that was confirmed has its place, one that was denied is other speech; both are learnt
    from whatever the folder's own are, and the user's folder stays as it was.
    """
    own = folder_of_recordings(tmp_path / "own")
    before = sorted(path.as_posix() for path in own.rglob("*"))
    yes, no = spoken(captures, "yes"), spoken(captures, "no")
    spoken(captures, "")
    spoken(captures, "yes", replace(WORD, detector="detectors/other"))
    monkeypatch.chdir(tmp_path)
    data, count = with_answers(order_of(own, captures), Path("place"))

    assert count == 2
    assert data.is_absolute()
    dataset = read_dataset(data)
    found = {row.path.stem: row for row in dataset.recordings if "reviewed" in row.path.as_posix()}
    heard, other = (found[name.removeprefix("captures/")] for name in (yes, no))
    assert heard.word_s == (0.7, 1.2)
    assert heard in dataset.placed("good day")
    assert other in dataset.negative("good day")
    assert (heard.split, other.split) == ("train", "train")
    assert heard.source == other.source
    assert len(dataset.recordings) == 4
    assert sorted(path.as_posix() for path in own.rglob("*")) == before


def test_answers_join_a_manifest(captures: Captures, tmp_path: Path) -> None:
    """Its own rows and columns stay, in the user's file too."""
    own = folder_of_recordings(tmp_path / "own")
    listed = "file,word,speaker\npositive/a.wav,good day,anna\nnegative/a.wav,negative,anna\n"
    (own / "manifest.csv").write_text(listed)
    spoken(captures, "yes")
    spoken(captures, "no")
    data, _ = with_answers(order_of(own, captures), tmp_path / "place")

    dataset = read_dataset(data)
    assert len(dataset.placed("good day")) == 1
    assert len(dataset.weak("good day")) == 1
    assert len(dataset.negative("good day")) == 2
    assert {row.speaker for row in dataset.recordings} == {"anna", ""}
    assert (own / "manifest.csv").read_text() == listed
    with (data / "manifest.csv").open(newline="") as file:
        assert len(list(csv.reader(file))) == 5


def test_of_several_words_the_capture_tells_which(captures: Captures, tmp_path: Path) -> None:
    own = folder_of_recordings(tmp_path / "own")
    spoken(captures, "yes", replace(WORD, label="stop"))
    spoken(captures, "yes", replace(WORD, label="walk"))
    order = order_of(own, captures, labels=("Good day", "Stop"))
    data, count = with_answers(order, tmp_path / "place")
    assert count == 1
    assert len(read_dataset(data).placed("stop")) == 1
    assert not read_dataset(data).placed("good day")


def test_without_answers_the_folder_is_as_it_is(captures: Captures, tmp_path: Path) -> None:
    own = folder_of_recordings(tmp_path / "own")
    for order in (order_of(own, captures), Order("keyword", "detectors/good_day", own)):
        assert with_answers(order, tmp_path / "place") == (own, 0)


def test_a_training_that_goes_on_has_the_same_data(captures: Captures, tmp_path: Path) -> None:
    """What is answered meanwhile is for the next one."""
    own, place = folder_of_recordings(tmp_path / "own"), tmp_path / "place"
    spoken(captures, "yes")
    order = order_of(own, captures)
    first = with_answers(order, place)
    spoken(captures, "no")
    assert with_answers(order, place) == first
    assert with_answers(order, tmp_path / "next")[1] == 2
    (place / "answers.json").unlink()
    (first[0] / "half.wav").write_bytes(b"left by a crash")
    again, count = with_answers(order, place)
    assert (count, (again / "half.wav").exists()) == (2, False)


def test_the_shipped_models_data_take_no_answers(captures: Captures, tmp_path: Path) -> None:
    (tmp_path / "own" / "continuous").mkdir(parents=True)
    spoken(captures, "yes")
    with pytest.raises(InvalidInput, match="--without-answers"):
        with_answers(order_of(tmp_path / "own", captures), tmp_path / "place")


@pytest.mark.parametrize("negatives", ["none", "pictures", "listed"])
def test_answers_join_pictures(
    captures: Captures, flower_data: Path, tmp_path: Path, negatives: str
) -> None:
    """As a picture with its box, of which more is not known, and as a cut without anything."""
    own = shutil.copytree(flower_data, tmp_path / "photos")
    there = 0
    if negatives != "none":
        place = own / "negatives" / ("train" if negatives == "listed" else "")
        place.mkdir(parents=True)
        for number in range(12):
            Image.new("RGB", (64, 64), (number, 9, 9)).save(place / f"n{number}.png")
        there = 12
    if negatives == "listed":
        images = [{"id": number, "file_name": f"n{number}.png"} for number in range(12)]
        (own / "negatives" / "train.json").write_text(json.dumps({"images": images}))
    picture = (own / "flowers" / "train" / "p0.png").read_bytes()
    for answer in ("yes", "no"):
        kept = captures.add(THING, picture)
        assert kept is not None
        captures.answer(kept.name, answer)
    order = Order("image", "detectors/squares", own, captures=str(captures.folder))
    data, count = with_answers(order, tmp_path / "place")

    assert count == 2
    assert len(read_listing(data, "flowers", "train")) == 8
    found = {split: read_listing_if_any(data, "negatives", split) for split in ("train", "val")}
    assert sum(map(len, found.values())) == there + 2
    marked = [entry for entry in found["train"] if len(entry.boxes)]
    assert [(each.complete, each.boxes.tolist()) for each in marked] == [
        (False, [[8.0, 8.0, 40.0, 40.0]])
    ]
    assert marked[0].path.read_bytes() == picture
    (cut,) = (each for each in found["train"] if each.path.name.startswith("2") and each.complete)
    with Image.open(cut.path) as shown, Image.open(own / "flowers" / "train" / "p0.png") as whole:
        assert np.array_equal(np.asarray(shown), np.asarray(whole.convert("RGB"))[8:40, 8:40])
    assert all(entry.path.is_file() for part in found.values() for entry in part)


def test_a_list_of_negatives_that_is_none_is_told(
    captures: Captures, flower_data: Path, tmp_path: Path
) -> None:
    """As the training itself would tell it."""
    own = shutil.copytree(flower_data, tmp_path / "photos")
    (own / "negatives").mkdir()
    (own / "negatives" / "train.json").write_text("[")
    kept = captures.add(THING, (own / "flowers" / "train" / "p0.png").read_bytes())
    assert kept is not None
    captures.answer(kept.name, "yes")
    order = Order("image", "detectors/squares", own, captures=str(captures.folder))
    with pytest.raises(InvalidInput, match=r"negatives/train.json: is no JSON"):
        with_answers(order, tmp_path / "place")


def test_a_capture_that_is_deleted_leaves_no_copy(captures: Captures, tmp_path: Path) -> None:
    """Not in what trainings keep to go on from either; while one runs, it stays."""
    own, models = folder_of_recordings(tmp_path / "own"), tmp_path / "models"
    yes, no = spoken(captures, "yes"), spoken(captures, "no")
    place = place_of(models, "1f3a")
    place.mkdir(parents=True)
    with_answers(order_of(own, captures), place)
    copies = [path for path in models.rglob("*.wav") if "reviewed" in path.as_posix()]
    assert len(copies) == 2
    with locked(place / LOCK):
        with pytest.raises(FailedPrecondition, match="a training learns from"):
            forget_capture(captures, yes, models)
        assert in_use(models, no.removeprefix("captures/"))
        assert len(captures.all()) == 2
    forget_capture(captures, yes, models)
    assert not place.exists()
    assert [each.name for each in captures.all()] == [no]
    assert list(models.rglob("*.wav")) == []
    assert (own / "positive" / "a.wav").exists()
    with pytest.raises(NotFound):
        forget_capture(captures, yes, models)
    assert not list((models / PLACES).glob("*/answers.json"))


def test_what_is_deleted_while_a_training_copies_it_leaves_no_copy(
    captures: Captures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their list was written behind them: until then, and after a crash, nobody knew of them."""
    own, models = folder_of_recordings(tmp_path / "own"), tmp_path / "models"
    yes, place = spoken(captures, "yes"), place_of(models, "1f3a")
    place.mkdir(parents=True)

    def crash(folder: Path, answered: Any) -> None:
        (folder / f"{answered[0][0].id}.wav").write_bytes(answered[0][1])
        with pytest.raises(FailedPrecondition, match="a training learns from"):
            forget_capture(captures, yes, models)
        raise KeyboardInterrupt

    monkeypatch.setattr(staged_words, "add_words", crash)
    with locked(place / LOCK), pytest.raises(KeyboardInterrupt):
        with_answers(order_of(own, captures), place)
    assert list(models.rglob(f"{yes.removeprefix('captures/')}.wav"))
    forget_capture(captures, yes, models)
    assert not place.exists()
    assert captures.all() == []

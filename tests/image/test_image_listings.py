"""Labelled pictures as other programs keep them: the same boxes from COCO, VOC and YOLO folders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sweepnet_service.commands.places import pictures_folder
from sweepnet_service.detectors.image import ImageDetector
from sweepnet_service.detectors.image.batches import material
from sweepnet_service.detectors.image.config import Shares, TrainConfig
from sweepnet_service.detectors.image.dataset import (
    Entry,
    load,
    read_listing,
    read_listing_if_any,
)
from sweepnet_service.detectors.image.listings.yolo import names_of
from sweepnet_service.detectors.image.train import train
from sweepnet_service.errors import InvalidInput
from tests.image.conftest import SIDE_PX, tiny_config
from tests.image.listings import (
    BOX,
    SIZE,
    coco_apart,
    coco_at,
    coco_beside,
    picture_at,
    voc_at,
    voc_beside,
    voc_by_list,
    yolo_at,
    yolo_by_part,
    yolo_by_split,
)

LAYOUTS = (yolo_by_part, yolo_by_split, voc_by_list, voc_beside, coco_beside, coco_apart)


@pytest.mark.parametrize("write", LAYOUTS)
@pytest.mark.parametrize("split", ["train", "val"])
def test_every_format_gives_the_same_boxes(
    tmp_path: Path, write: Callable[[Path], None], split: str
) -> None:
    write(tmp_path)

    labelled, empty = sorted(read_listing(tmp_path, "flowers", split), key=lambda e: e.name)

    np.testing.assert_allclose(labelled.boxes, [BOX], atol=1e-4)
    assert labelled.species == ("cat",)
    assert labelled.complete
    assert len(empty.boxes) == 0
    assert load(labelled, ("cat",)).objects.species.tolist() == [0]


@pytest.mark.parametrize("write", LAYOUTS)
def test_a_group_may_be_kept_in_any_format(tmp_path: Path, write: Callable[[Path], None]) -> None:
    """Beside a folder of pictures without objects, which need no labels."""
    write(tmp_path / "cats")
    for number in range(40):
        picture_at(tmp_path / "nothing" / f"{number}.jpg")
    config = TrainConfig(
        tmp_path, tmp_path / "work", tmp_path / "out", objects="cats", negatives="nothing",
        aside_share=0.0,
    )  # fmt: skip

    learn = material(config).learn
    held_out = read_listing_if_any(tmp_path, "nothing", "val")

    assert sum(len(entry.boxes) for entry in learn) == 1
    assert len(learn) + len(held_out) == 2 + 40
    assert 0 < len(held_out) < 16
    assert not {e.path for e in learn} & {e.path for e in held_out}


def voc_with_train_list(root: Path) -> None:
    for number in range(40):
        picture_at(root / "JPEGImages" / f"{number}.jpg")
        voc_at(root / "Annotations" / f"{number}.xml")
    listed = "\n".join(str(number) for number in range(30))
    yolo_at(root / "ImageSets" / "Main" / "train.txt", f"{listed}\n \n")


def coco_train_and_val_in_one(root: Path) -> None:
    names = [f"{number}.jpg" for number in range(40)]
    for name in names:
        picture_at(root / "images" / name)
    coco_at(root / "annotations" / "instances_trainval2017.json", names)


def coco_train_alone(root: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        picture_at(root / "train2017" / name)
    coco_at(root / "annotations" / "instances_train2017.json", ["a.jpg", "b.jpg"])


@pytest.mark.parametrize(
    ("write", "held_out"),
    [(voc_with_train_list, 10), (coco_train_and_val_in_one, None), (coco_train_alone, 0)],
)
def test_nothing_is_both_learnt_from_and_measured_on(
    tmp_path: Path, write: Callable[[Path], None], held_out: int | None
) -> None:
    """Lists of one split alone, and of two in one file, were read for the other too."""
    write(tmp_path / "all")

    train, val = (
        {entry.name for entry in read_listing_if_any(tmp_path, "all", split)}
        for split in ("train", "val")
    )

    assert train
    assert not train & val
    assert len(val) == held_out or (held_out is None and 0 < len(val) < len(train))


def test_of_coco_lists_the_one_with_boxes_is_read(tmp_path: Path) -> None:
    coco_apart(tmp_path)
    (tmp_path / "annotations" / "captions_train2017.json").write_text("{}")

    assert len(read_listing(tmp_path, "flowers", "train")) == 2


def test_a_damaged_turn_leaves_a_picture_as_it_is(tmp_path: Path) -> None:
    exif = b"Exif\0\0II*\0\x08"
    for part in ("train", "val"):
        path = tmp_path / "images" / part / "a.jpg"
        path.parent.mkdir(parents=True)
        Image.new("RGB", SIZE).save(path, exif=exif)
        yolo_at(tmp_path / "labels" / part / "a.txt")

    np.testing.assert_allclose(read_listing(tmp_path, "x", "val")[0].boxes, [BOX], atol=1e-4)


@pytest.mark.parametrize("write", LAYOUTS)
def test_commands_look_in_images_only_where_nothing_else_is_kept(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    """`evaluate image` took YOLO's `images` for the folder of that name in the shipped data."""
    own, shipped = tmp_path / "own", tmp_path / "shipped"
    write(own)
    (shipped / "images" / "flowers").mkdir(parents=True)

    assert pictures_folder(own) == own
    assert pictures_folder(shipped) == shipped / "images"
    with pytest.raises(InvalidInput, match="no folder named"):
        pictures_folder(tmp_path / "none")


def _flat(root: Path) -> None:
    for number in range(40):
        picture_at(root / "images" / f"{number}.jpg")
        yolo_at(root / "labels" / f"{number}.txt")


def test_without_splits_a_part_is_held_out_by_name(tmp_path: Path) -> None:
    _flat(tmp_path)

    parts = [read_listing(tmp_path, "flowers", split) for split in ("train", "val", "test")]

    names = [{entry.name for entry in part} for part in parts]
    assert len(names[0]) + len(names[1]) == 40
    assert not names[0] & names[1]
    assert 0 < len(names[1]) < 16
    assert names[2] == set()


def test_a_split_that_is_none_measures_nothing(tmp_path: Path) -> None:
    """A slip of the pen measured all that was learnt from."""
    _flat(tmp_path)

    with pytest.raises(InvalidInput, match="split: got 'vall'; expected train, val, test"):
        read_listing(tmp_path, "flowers", "vall")
    assert len(read_listing(tmp_path, "flowers", "validation")) == len(
        read_listing(tmp_path, "flowers", "val")
    )


def test_our_own_lists_are_never_split_anew(tmp_path: Path) -> None:
    """Where only train.json is there, nothing of it may be measured on."""
    picture_at(tmp_path / "flowers" / "train" / "a.jpg")
    coco_at(tmp_path / "flowers" / "train.json", ["a.jpg"])

    assert len(read_listing(tmp_path, "flowers", "train")) == 1
    assert read_listing_if_any(tmp_path, "flowers", "val") == ()
    with pytest.raises(InvalidInput, match=r"flowers/val\.json: missing"):
        read_listing(tmp_path, "flowers", "val")


def test_boxes_are_cut_to_the_picture(tmp_path: Path) -> None:
    """One that lies half outside is cut, one outside is left out."""
    boxes = np.array([[-10, -10, 20, 30], [90, 10, 200, 20], [300, 300, 400, 400]], np.float32)
    entry = Entry(picture_at(tmp_path / "a.png"), boxes, ("", "", ""), True, "")

    photo = load(entry, ())

    assert photo.boxes.tolist() == [[0, 0, 20, 30], [90, 10, 100, 20]]
    assert len(photo.objects.species) == 2


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("names: [a, 'b c', \"d\"]", ["a", "b c", "d"]),
        ("nc: 2\nnames:\n  - a\n  - b\ntrain: x", ["a", "b"]),
        ("names:\n- a\n- b\n", ["a", "b"]),
        ("names:\n  0: a\n  1: 'b'\n", ["a", "b"]),
        ("nc: 2", []),
    ],
)
def test_names_are_read_from_data_yaml(tmp_path: Path, text: str, names: list[str]) -> None:
    (tmp_path / "data.yaml").write_text(text)

    assert names_of(tmp_path) == names


def test_a_folder_of_another_program_is_trained_on_and_measured(
    squares: Path, tmp_path: Path
) -> None:
    """From YOLO's texts to a model file whose card has figures of what was held out."""
    for split in ("train", "val"):
        for entry in read_listing(squares, "flowers", split):
            target = tmp_path / "images" / split / entry.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(entry.path.read_bytes())
            x0, y0, x1, y1 = (entry.boxes[0] / SIDE_PX).tolist()
            line = f"0 {(x0 + x1) / 2} {(y0 + y1) / 2} {x1 - x0} {y1 - y0}\n"
            yolo_at(tmp_path / "labels" / split / f"{target.stem}.txt", line)
    config = tiny_config(tmp_path, tmp_path / "work", pictures=16, shares=Shares(1, 0, 0))

    made = train(replace(config, late_shares=config.shares), lambda _: None)

    card = ImageDetector.load(made).card
    assert card["data"]["boxes"] == 4
    assert card["figures"]["parts"][0]["boxes"] == 4

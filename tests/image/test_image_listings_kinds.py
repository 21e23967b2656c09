"""Folders of classes, turned boxes, key points, lists of their own for each split."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sweepnet_service.detectors.image.dataset import (
    load,
    read_listing,
)
from sweepnet_service.errors import InvalidInput
from tests.image.listings import (
    picture_at,
    yolo_at,
)


@pytest.mark.parametrize("within", ["", "train"])
def test_folders_of_classes_tell_presence_alone(tmp_path: Path, within: str) -> None:
    for place in ("cats/a.jpg", "dogs/b.jpg", "none/c.jpg"):
        picture_at(tmp_path / within / place)

    every = [e for split in ("train", "val") for e in read_listing(tmp_path, "flowers", split)]

    found = {entry.name: (entry.marks.names, entry.whole) for entry in every}
    assert found == {"a.jpg": (("cats",), True), "b.jpg": (("dogs",), True), "c.jpg": ((), False)}
    whole = load(every[0])
    assert whole.boxes.tolist() == [[0, 0, whole.pixels.shape[1], whole.pixels.shape[0]]]


def test_pictures_of_nothing_are_read_however_the_folder_is_written(tmp_path: Path) -> None:
    """`Background` was neither a class nor nothing: its pictures were lost."""
    for place in ("cats/a.jpg", "Background/b.jpg"):
        picture_at(tmp_path / "train" / place)

    found = {e.name: e.marks.names for e in read_listing(tmp_path, "flowers", "train")}

    assert found == {"a.jpg": ("cats",), "b.jpg": ()}


def test_folders_within_the_negatives_are_no_classes(tmp_path: Path) -> None:
    """Nor is a folder of pictures beside lists of ours one, where a name is mistyped."""
    for place in ("negatives/streets/a.jpg", "negatives/trees/b.jpg", "originals/c.jpg"):
        picture_at(tmp_path / place)
    (tmp_path / "flowers").mkdir()
    (tmp_path / "flowers" / "train.json").write_text('{"images": []}')

    found = [e for s in ("train", "val") for e in read_listing(tmp_path, "negatives", s)]

    assert sorted(entry.name for entry in found) == ["a.jpg", "b.jpg"]
    assert not any(len(entry.boxes) for entry in found)
    with pytest.raises(InvalidInput, match=r"flwers/train\.json: missing"):
        read_listing(tmp_path, "flwers", "train")


def test_a_coco_file_for_each_split_beside_its_folder(tmp_path: Path) -> None:
    """As the shipped models' pictures are kept; its incomplete pictures stay incomplete."""
    for split in ("train", "val"):
        picture_at(tmp_path / split / f"{split}.jpg")
        told = {
            "images": [{"id": 1, "file_name": f"{split}.jpg", "complete": 0}],
            "annotations": [{"image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4]}],
            "categories": [{"id": 7, "name": "cat"}],
        }
        (tmp_path / f"{split}.json").write_text(json.dumps(told))

    train, val = (read_listing(tmp_path, "flowers", split) for split in ("train", "val"))

    assert [entry.name for entry in train] == ["train.jpg"]
    assert [entry.name for entry in val] == ["val.jpg"]
    assert not train[0].complete
    assert train[0].marks.names == ("cat",)


def test_turned_boxes_of_voc_come_with_their_corners(tmp_path: Path) -> None:
    picture_at(tmp_path / "train" / "a.jpg")
    turned = "<cx>20</cx><cy>10</cy><w>8</w><h>4</h><angle>1.5707963</angle>"
    upright = "<xmin>1</xmin><ymin>2</ymin><xmax>5</xmax><ymax>6</ymax>"
    objects = (
        f"<object><name>a</name><robndbox>{turned}</robndbox></object>"
        f"<object><name>b</name><bndbox>{upright}</bndbox></object>"
    )
    (tmp_path / "train" / "a.xml").write_text(f"<annotation>{objects}</annotation>")

    entry = read_listing(tmp_path, "flowers", "train")[0]

    np.testing.assert_allclose(entry.boxes, [[18, 6, 22, 14], [1, 2, 5, 6]], atol=1e-4)
    np.testing.assert_allclose(
        entry.marks.corners[0], [[18, 6], [22, 6], [22, 14], [18, 14]], atol=1e-4
    )
    assert np.isnan(entry.marks.corners[1]).all()


def test_turned_boxes_of_yolo_are_lines_of_four_corners(tmp_path: Path) -> None:
    picture = picture_at(tmp_path / "images" / "train" / "a.jpg")
    with Image.open(picture) as image:
        width, height = image.size
    yolo_at(tmp_path / "labels" / "train" / "a.txt", "0 0.5 0.1 0.9 0.5 0.5 0.9 0.1 0.5\n")

    entry = read_listing(tmp_path, "flowers", "train")[0]

    size = np.array([width, height])
    corners = np.array([[0.5, 0.1], [0.9, 0.5], [0.5, 0.9], [0.1, 0.5]]) * size
    found = entry.marks.corners[0]
    assert sorted(found.round(3).tolist()) == sorted(corners.round(3).tolist())
    np.testing.assert_allclose(entry.boxes[0], [*size * 0.1, *size * 0.9], rtol=1e-5)


def test_key_points_of_yolo_follow_the_box(tmp_path: Path) -> None:
    picture = picture_at(tmp_path / "images" / "train" / "a.jpg")
    with Image.open(picture) as image:
        width, height = image.size
    (tmp_path / "data.yaml").write_text("kpt_shape: [2, 3]\nnames: [cat]\n")
    labels = tmp_path / "labels" / "train" / "a.txt"
    yolo_at(labels, "0 0.5 0.5 0.2 0.2 0.45 0.5 2 0 0 0\n")

    marks = read_listing(tmp_path, "flowers", "train")[0].marks

    assert marks.names == ("cat",)
    assert marks.point_names == ("point_0", "point_1")
    np.testing.assert_allclose(marks.points[0, 0], [0.45 * width, 0.5 * height])
    assert np.isnan(marks.points[0, 1]).all()
    assert marks.mirrored == (0, 1)
    (tmp_path / "data.yaml").write_text("kpt_shape: [2, 3]\nflip_idx: [1, 0]\n")
    assert read_listing(tmp_path, "flowers", "train")[0].marks.mirrored == (1, 0)
    (tmp_path / "data.yaml").write_text("kpt_shape: [2, 3]\nflip_idx: [1, 1]\n")
    with pytest.raises(InvalidInput, match=r"data\.yaml: got flip_idx \[1, 1\]"):
        read_listing(tmp_path, "flowers", "train")
    (tmp_path / "data.yaml").write_text("kpt_shape: [2, 3]\n")
    yolo_at(labels, "0 0.5 0.5 0.2 0.2\n")
    with pytest.raises(InvalidInput, match=r"line 1: got .*and 2 key points, as kpt_shape says"):
        read_listing(tmp_path, "flowers", "train")

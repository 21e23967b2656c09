"""Labels of other programs that cannot be used: each is told by its file, and its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sweepnet_service.detectors.image.dataset import read_listing
from sweepnet_service.errors import InvalidInput
from tests.image.listings import (
    coco_at,
    coco_beside,
    picture_at,
    voc_beside,
    voc_by_list,
    yolo_at,
    yolo_by_part,
)


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (
            lambda r: yolo_at(r / "labels/train/a.txt", "0 0.5 0.5\n"),
            r"a\.txt, line 1: got '0 0\.5",
        ),
        (lambda r: yolo_at(r / "labels/train/a.txt", "x 0 0 1 1\n"), "expected class cx cy"),
        (lambda r: yolo_at(r / "labels/train/a.txt", "0 nan 0 1 1\n"), "expected finite ones"),
        (lambda r: yolo_at(r / "labels/train/a.txt", "0 .5 .5 -1 1\n"), "left before right"),
        (lambda r: (r / "labels/train/a.txt").write_bytes(b"\xff\xfe"), "cannot be read as text"),
        (lambda r: (r / "images/train/a.jpg").write_text("text"), "is no picture that can be read"),
    ],
)
def test_bad_yolo_labels_are_told_by_file_and_line(
    tmp_path: Path, write: Callable[[Path], object], told: str
) -> None:
    yolo_by_part(tmp_path)
    write(tmp_path)

    with pytest.raises(InvalidInput, match=told):
        read_listing(tmp_path, "flowers", "train")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("<annotation><object></object></annotation>", "an object without bndbox"),
        ("<annotation><object><bndbox/></object></annotation>", "no number"),
        ("no xml", "is no VOC annotation"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation/>', "declares entities"),
    ],
)
def test_bad_voc_labels_are_told_by_file(tmp_path: Path, content: str, told: str) -> None:
    voc_beside(tmp_path)
    (tmp_path / "train" / "a.xml").write_text(content)

    with pytest.raises(InvalidInput, match=rf"train/a\.xml: .*{told}"):
        read_listing(tmp_path, "flowers", "train")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"images": [{"id": 0, "file_name": "gone.jpg"}]}, "gone.jpg: is listed but missing"),
        ({"images": [{"id": 0, "file_name": "../../x.jpg"}]}, "leads out of the data folder"),
        ({"images": [{"name": "a.jpg"}]}, "is no COCO list"),
        ({"annotations": [{"image_id": 0, "bbox": [1, 2]}]}, "is no COCO list"),
    ],
)
def test_bad_coco_lists_are_told(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    coco_beside(tmp_path / "data")
    picture_at(tmp_path / "x.jpg")
    coco_at(tmp_path / "data" / "train" / "_annotations.coco.json", ["a.jpg"], **changes)

    with pytest.raises(InvalidInput, match=told):
        read_listing(tmp_path / "data", "flowers", "train")


@pytest.mark.parametrize(
    ("write", "label"),
    [
        (yolo_by_part, "labels/train/a.txt"),
        (yolo_by_part, "data.yaml"),
        (voc_by_list, "Annotations/a.xml"),
        (voc_by_list, "ImageSets/Main/train.txt"),
        (coco_beside, "train/_annotations.coco.json"),
    ],
)
def test_no_label_is_read_from_elsewhere(
    tmp_path: Path, write: Callable[[Path], None], label: str
) -> None:
    """A link out of the folder is told of, and nothing that it leads to."""
    (tmp_path / "secret").write_text("token 1234")
    write(tmp_path / "data")
    (tmp_path / "data" / label).unlink()
    (tmp_path / "data" / label).symlink_to(tmp_path / "secret")

    with pytest.raises(InvalidInput, match=rf"{label}: leads out of the data folder") as caught:
        read_listing(tmp_path / "data", "flowers", "train")
    assert "1234" not in str(caught.value)


def test_a_split_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    """It told of a file by its place within a folder, and not of which."""
    (tmp_path / "mine").mkdir()
    with pytest.raises(InvalidInput, match=r"flowers/val\.json: missing; .*labels, in 'mine'"):
        read_listing(tmp_path / "mine", "flowers", "val")

    (tmp_path / "mine" / "flowers").mkdir()
    for split in ("train", "test"):
        (tmp_path / "mine" / "flowers" / f"{split}.json").write_text("{}")

    with pytest.raises(InvalidInput, match="missing; expected one of 'test', 'train' in 'mine'"):
        read_listing(tmp_path / "mine", "flowers", "val")

"""Labelled pictures as other programs keep them: the same boxes from COCO, VOC and YOLO folders."""

from __future__ import annotations

import json
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

SIZE = (100, 80)
BOX = (10.0, 20.0, 60.0, 70.0)
Put = Callable[[Path, Path], None]


def _picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE, "gray").save(path)
    return path


def _yolo(path: Path, text: str = "1 0.35 0.5625 0.5 0.625\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _voc(path: Path, edges: tuple[float, ...] = BOX) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ("xmin", "ymin", "xmax", "ymax")
    inside = "".join(f"<{n}>{e:g}</{n}>" for n, e in zip(names, edges, strict=True))
    box = f"<bndbox>{inside}</bndbox>"
    path.write_text(f"<annotation><object><name>cat</name>{box}</object></annotation>")


def _coco(path: Path, names: list[str], **changes: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    x0, y0, x1, y1 = BOX
    content = {
        "images": [{"id": n, "file_name": name} for n, name in enumerate(names)],
        "categories": [{"id": 4, "name": "cat"}],
        "annotations": [{"image_id": 0, "category_id": 4, "bbox": [x0, y0, x1 - x0, y1 - y0]}],
    }
    path.write_text(json.dumps({**content, **changes}))


def yolo_by_part(root: Path) -> None:
    for part in ("train", "val"):
        _picture(root / "images" / part / "a.jpg")
        _picture(root / "images" / part / "none.png")
        _yolo(root / "labels" / part / "a.txt")
    (root / "data.yaml").write_text("train: images/train\nnames:\n  0: dog\n  1: cat\nnc: 2\n")


def yolo_by_split(root: Path) -> None:
    for part in ("train", "valid"):
        _picture(root / part / "images" / "a.jpg")
        _picture(root / part / "images" / "none.png")
        _yolo(root / part / "labels" / "a.txt", "1 0.1 0.25 0.6 0.25 0.6 0.875 0.1 0.875\n")
    (root / "data.yaml").write_text("names: ['dog', \"cat\"]\n")


def voc_by_list(root: Path) -> None:
    for name in ("a", "none", "b"):
        _picture(root / "JPEGImages" / f"{name}.jpg")
    _voc(root / "Annotations" / "a.xml")
    for part in ("train", "val"):
        _yolo(root / "ImageSets" / "Main" / f"{part}.txt", "a\nnone 1\n")


def voc_beside(root: Path) -> None:
    for part in ("train", "valid"):
        _picture(root / part / "a.jpg")
        _picture(root / part / "none.jpg")
        _voc(root / part / "a.xml")


def coco_beside(root: Path) -> None:
    for part in ("train", "valid"):
        _picture(root / part / "a.jpg")
        _picture(root / part / "none.jpg")
        _coco(root / part / "_annotations.coco.json", ["a.jpg", "none.jpg"])


def coco_apart(root: Path) -> None:
    for part in ("train", "val"):
        _picture(root / f"{part}2017" / "a.jpg")
        _picture(root / f"{part}2017" / "none.jpg")
        _coco(root / "annotations" / f"instances_{part}2017.json", ["a.jpg", "none.jpg"])


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
        _picture(tmp_path / "nothing" / f"{number}.jpg")
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
        _picture(root / "JPEGImages" / f"{number}.jpg")
        _voc(root / "Annotations" / f"{number}.xml")
    listed = "\n".join(str(number) for number in range(30))
    _yolo(root / "ImageSets" / "Main" / "train.txt", f"{listed}\n \n")


def coco_train_and_val_in_one(root: Path) -> None:
    names = [f"{number}.jpg" for number in range(40)]
    for name in names:
        _picture(root / "images" / name)
    _coco(root / "annotations" / "instances_trainval2017.json", names)


def coco_train_alone(root: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        _picture(root / "train2017" / name)
    _coco(root / "annotations" / "instances_train2017.json", ["a.jpg", "b.jpg"])


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
        _yolo(tmp_path / "labels" / part / "a.txt")

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
        _picture(root / "images" / f"{number}.jpg")
        _yolo(root / "labels" / f"{number}.txt")


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
    _picture(tmp_path / "flowers" / "train" / "a.jpg")
    _coco(tmp_path / "flowers" / "train.json", ["a.jpg"])

    assert len(read_listing(tmp_path, "flowers", "train")) == 1
    assert read_listing_if_any(tmp_path, "flowers", "val") == ()
    with pytest.raises(InvalidInput, match=r"flowers/val\.json: missing"):
        read_listing(tmp_path, "flowers", "val")


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (lambda r: _yolo(r / "labels/train/a.txt", "0 0.5 0.5\n"), r"a\.txt, line 1: got '0 0\.5"),
        (lambda r: _yolo(r / "labels/train/a.txt", "x 0 0 1 1\n"), "expected class cx cy"),
        (lambda r: _yolo(r / "labels/train/a.txt", "0 nan 0 1 1\n"), "expected finite ones"),
        (lambda r: _yolo(r / "labels/train/a.txt", "0 .5 .5 -1 1\n"), "left before right"),
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
    _picture(tmp_path / "x.jpg")
    _coco(tmp_path / "data" / "train" / "_annotations.coco.json", ["a.jpg"], **changes)

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


@pytest.mark.parametrize("within", ["", "train"])
def test_folders_of_classes_tell_presence_alone(tmp_path: Path, within: str) -> None:
    for place in ("cats/a.jpg", "dogs/b.jpg", "none/c.jpg"):
        _picture(tmp_path / within / place)

    every = [e for split in ("train", "val") for e in read_listing(tmp_path, "flowers", split)]

    found = {entry.name: (entry.marks.names, entry.whole) for entry in every}
    assert found == {"a.jpg": (("cats",), True), "b.jpg": (("dogs",), True), "c.jpg": ((), False)}
    whole = load(every[0])
    assert whole.boxes.tolist() == [[0, 0, whole.pixels.shape[1], whole.pixels.shape[0]]]


def test_pictures_of_nothing_are_read_however_the_folder_is_written(tmp_path: Path) -> None:
    """`Background` was neither a class nor nothing: its pictures were lost."""
    for place in ("cats/a.jpg", "Background/b.jpg"):
        _picture(tmp_path / "train" / place)

    found = {e.name: e.marks.names for e in read_listing(tmp_path, "flowers", "train")}

    assert found == {"a.jpg": ("cats",), "b.jpg": ()}


def test_boxes_are_cut_to_the_picture(tmp_path: Path) -> None:
    """One that lies half outside is cut, one outside is left out."""
    boxes = np.array([[-10, -10, 20, 30], [90, 10, 200, 20], [300, 300, 400, 400]], np.float32)
    entry = Entry(_picture(tmp_path / "a.png"), boxes, ("", "", ""), True, "")

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
            _yolo(tmp_path / "labels" / split / f"{target.stem}.txt", line)
    config = tiny_config(tmp_path, tmp_path / "work", pictures=16, shares=Shares(1, 0, 0))

    made = train(replace(config, late_shares=config.shares), lambda _: None)

    card = ImageDetector.load(made).card
    assert card["data"]["boxes"] == 4
    assert card["figures"]["parts"][0]["boxes"] == 4


def test_folders_within_the_negatives_are_no_classes(tmp_path: Path) -> None:
    """Nor is a folder of pictures beside lists of ours one, where a name is mistyped."""
    for place in ("negatives/streets/a.jpg", "negatives/trees/b.jpg", "originals/c.jpg"):
        _picture(tmp_path / place)
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
        _picture(tmp_path / split / f"{split}.jpg")
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
    _picture(tmp_path / "train" / "a.jpg")
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
    picture = _picture(tmp_path / "images" / "train" / "a.jpg")
    with Image.open(picture) as image:
        width, height = image.size
    _yolo(tmp_path / "labels" / "train" / "a.txt", "0 0.5 0.1 0.9 0.5 0.5 0.9 0.1 0.5\n")

    entry = read_listing(tmp_path, "flowers", "train")[0]

    size = np.array([width, height])
    corners = np.array([[0.5, 0.1], [0.9, 0.5], [0.5, 0.9], [0.1, 0.5]]) * size
    found = entry.marks.corners[0]
    assert sorted(found.round(3).tolist()) == sorted(corners.round(3).tolist())
    np.testing.assert_allclose(entry.boxes[0], [*size * 0.1, *size * 0.9], rtol=1e-5)


def test_key_points_of_yolo_follow_the_box(tmp_path: Path) -> None:
    picture = _picture(tmp_path / "images" / "train" / "a.jpg")
    with Image.open(picture) as image:
        width, height = image.size
    (tmp_path / "data.yaml").write_text("kpt_shape: [2, 3]\nnames: [cat]\n")
    labels = tmp_path / "labels" / "train" / "a.txt"
    _yolo(labels, "0 0.5 0.5 0.2 0.2 0.45 0.5 2 0 0 0\n")

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
    _yolo(labels, "0 0.5 0.5 0.2 0.2\n")
    with pytest.raises(InvalidInput, match=r"line 1: got .*and 2 key points, as kpt_shape says"):
        read_listing(tmp_path, "flowers", "train")

"""Pictures and labels as other programs write them, for the tests that read them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from PIL import Image

SIZE = (100, 80)
BOX = (10.0, 20.0, 60.0, 70.0)
Put = Callable[[Path, Path], None]


def picture_at(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE, "gray").save(path)
    return path


def yolo_at(path: Path, text: str = "1 0.35 0.5625 0.5 0.625\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def voc_at(path: Path, edges: tuple[float, ...] = BOX) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ("xmin", "ymin", "xmax", "ymax")
    inside = "".join(f"<{n}>{e:g}</{n}>" for n, e in zip(names, edges, strict=True))
    box = f"<bndbox>{inside}</bndbox>"
    path.write_text(f"<annotation><object><name>cat</name>{box}</object></annotation>")


def coco_at(path: Path, names: list[str], **changes: object) -> None:
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
        picture_at(root / "images" / part / "a.jpg")
        picture_at(root / "images" / part / "none.png")
        yolo_at(root / "labels" / part / "a.txt")
    (root / "data.yaml").write_text("train: images/train\nnames:\n  0: dog\n  1: cat\nnc: 2\n")


def yolo_by_split(root: Path) -> None:
    for part in ("train", "valid"):
        picture_at(root / part / "images" / "a.jpg")
        picture_at(root / part / "images" / "none.png")
        yolo_at(root / part / "labels" / "a.txt", "1 0.1 0.25 0.6 0.25 0.6 0.875 0.1 0.875\n")
    (root / "data.yaml").write_text("names: ['dog', \"cat\"]\n")


def voc_by_list(root: Path) -> None:
    for name in ("a", "none", "b"):
        picture_at(root / "JPEGImages" / f"{name}.jpg")
    voc_at(root / "Annotations" / "a.xml")
    for part in ("train", "val"):
        yolo_at(root / "ImageSets" / "Main" / f"{part}.txt", "a\nnone 1\n")


def voc_beside(root: Path) -> None:
    for part in ("train", "valid"):
        picture_at(root / part / "a.jpg")
        picture_at(root / part / "none.jpg")
        voc_at(root / part / "a.xml")


def coco_beside(root: Path) -> None:
    for part in ("train", "valid"):
        picture_at(root / part / "a.jpg")
        picture_at(root / part / "none.jpg")
        coco_at(root / part / "_annotations.coco.json", ["a.jpg", "none.jpg"])


def coco_apart(root: Path) -> None:
    for part in ("train", "val"):
        picture_at(root / f"{part}2017" / "a.jpg")
        picture_at(root / f"{part}2017" / "none.jpg")
        coco_at(root / "annotations" / f"instances_{part}2017.json", ["a.jpg", "none.jpg"])

"""What `sweepnet detect` reads and writes: folders, patterns, boxes, heat, crops, COCO."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sweepnet import Box, Detections, Scored, ScoreMap
from sweepnet.cli import seeing
from sweepnet.cli.detect import told
from sweepnet.drawing import boxed

Sweepnet = Callable[..., CompletedProcess[str]]


def box(x0: float, y0: float, x1: float, y1: float, score: float = 0.9) -> Box:
    corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    return Box("a flower", score, x0, y0, x1, y1, corners)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures of one name in two folders, one that is turned, and a text."""
    folder = tmp_path_factory.mktemp("photos")
    for name in ("a", "b"):
        (folder / name).mkdir()
        Image.new("RGB", (96, 64), "gray").save(folder / name / "one.jpg")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("L", (80, 40), 90).save(folder / "turned.png", exif=turned)
    (folder / "text.jpg").write_text("this is no picture")
    return folder


@pytest.fixture
def detect(sweepnet: Sweepnet, server: str) -> Sweepnet:
    """`sweepnet detect` with the small detector, every box told, as JSON."""

    def run(*arguments: str | Path) -> CompletedProcess[str]:
        chosen = ("-d", "blobs", "-t", "0", "--json")
        return sweepnet("detect", *arguments, "--server", server, *chosen)

    return run


def lines(done: CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_folders_and_patterns_stand_for_their_pictures(detect: Sweepnet, photos: Path) -> None:
    """A folder's pictures, those below too; one that fails is told of and the others go on."""
    whole, below = detect(photos), detect(photos / "*" / "*.jpg")

    assert [Path(each["source"]).name for each in lines(whole)] == [
        "one.jpg", "one.jpg", "text.jpg", "turned.png",
    ]  # fmt: skip
    assert whole.returncode == 1
    assert len(lines(below)) == 2
    assert below.returncode == 0


def test_everything_is_written_at_its_place(detect: Sweepnet, photos: Path, tmp_path: Path) -> None:
    """Equal names keep their folders; a turned picture is written as it is seen."""
    out = tmp_path / "new"
    done = detect(
        photos / "a", photos / "b", photos / "turned.png", "--save", out / "saved",
        "--heatmap", out / "heat", "--crops", out / "crops", "--coco", out / "boxes.json",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    for name in ("saved", "heat"):
        written = sorted(p.relative_to(out / name) for p in (out / name).rglob("*.jpg"))
        assert list(map(str, written)) == ["a/one.jpg.jpg", "b/one.jpg.jpg", "turned.png.jpg"]
        with Image.open(out / name / "turned.png.jpg") as picture:
            assert picture.size == (40, 80)
    boxes = sum(len(each["boxes"]) for each in lines(done))
    assert boxes > 0
    assert len(list((out / "crops").rglob("*.jpg"))) == boxes
    coco = json.loads((out / "boxes.json").read_text())
    assert len(coco["annotations"]) == boxes
    assert [image["width"] for image in coco["images"]] == [96, 96, 40]
    assert f"coco: {out / 'boxes.json'}" in done.stderr


def test_tiles_look_more_finely(detect: Sweepnet, tmp_path: Path) -> None:
    """More boxes of more sizes, all within the picture; a small picture gives what it gave."""
    large, small = tmp_path / "large.png", tmp_path / "small.png"
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(noise).save(large)
    Image.fromarray(noise[:40, :40]).save(small)

    (once, same), (fine, again) = lines(detect(large, small)), lines(detect(large, small, "--tile"))

    assert len(fine["boxes"]) > len(once["boxes"])
    assert all(0 <= b["x_min_px"] < b["x_max_px"] <= 400 for b in fine["boxes"])
    assert same == again


@pytest.mark.parametrize(
    ("options", "told_of"),
    [
        (["--save", "{p}/text.jpg"], "a file; expected a folder"),
        (["--save", "{t}/x", "--heatmap", "{t}/x"], "the folder of --save too"),
        (["--coco", "{p}/a/one.jpg"], "the very file to look at"),
        (["--crops", "/proc/no"], "no folder that can be written to"),
        (["--explain", "{t}/x.png"], "draws one file"),
    ],
)
def test_wrong_places_are_refused_before_any_work(
    detect: Sweepnet, photos: Path, tmp_path: Path, options: list[str], told_of: str
) -> None:
    given = [each.format(p=photos, t=tmp_path) for each in options]

    done = detect(photos / "a", photos / "b", *given)

    assert done.returncode == 2
    assert told_of in " ".join(done.stderr.replace("│", " ").split())
    assert done.stdout == ""


@pytest.mark.parametrize("given", ["{p}/none/*.jpg", "{p}/empty"])
def test_what_stands_for_no_picture_is_told(detect: Sweepnet, photos: Path, given: str) -> None:
    (photos / "empty").mkdir(exist_ok=True)

    done = detect(given.format(p=photos))

    assert done.returncode != 0
    assert "no file matches" in done.stderr or "no picture in this folder" in done.stderr


def test_of_many_pictures_it_is_told_how_far_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    none = [Scored(f"{n}.jpg", None, "damaged") for n in range(12)]

    assert list(told(none, 12)) == none
    assert "12/12 files  12 failed" in capsys.readouterr().err
    assert list(told(none[:3], 3)) == none[:3]
    assert capsys.readouterr().err == ""


def test_boxes_are_drawn_where_they_are() -> None:
    photo = Image.new("RGB", (200, 100), "black")
    found = Detections(200, 100, {"a flower": 0.9}, (box(50, 40, 150, 90),))

    drawn = np.asarray(boxed.boxed(photo, found)).astype(int)

    assert (drawn[65, 47:54].max(axis=0) > 100).any()
    assert drawn[65, 60:140].max() == 0
    assert drawn[65, :40].max() == 0
    assert np.asarray(photo).max() == 0


@pytest.mark.parametrize(
    ("mode", "colour", "seen"),
    [
        ("I;16", 257 * 100, (100, 100, 100)),
        ("RGBA", (10, 20, 30, 0), (255, 255, 255)),
        ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
        ("LA", (10, 0), (255, 255, 255)),
        ("L", 10, (10, 10, 10)),
    ],
)
def test_any_mode_is_drawn_as_the_server_sees_it(
    tmp_path: Path, mode: str, colour: Any, seen: tuple[int, int, int]
) -> None:
    Image.new(mode, (4, 3), colour).save(tmp_path / "x.png")

    assert boxed.photo_of(tmp_path / "x.png").getpixel((1, 1)) == seen


@pytest.mark.parametrize("edge", [box(0, 0, 5, 3), box(199, 99, 200, 100), box(0, 0, 200, 100)])
def test_boxes_at_the_edge_are_drawn_and_cut(edge: Box) -> None:
    photo = Image.new("RGB", (200, 100), "white")

    assert boxed.boxed(photo, Detections(200, 100, {}, (edge,))).size == photo.size
    assert min(boxed.cut(photo, edge).size) >= 1


def test_heat_lies_where_its_score_was_taken() -> None:
    """One hot cell of a map of 5 x 10: red there, grey elsewhere."""
    scores = [0.0] * 50
    scores[2 * 10 + 7] = 1.0
    heat = ScoreMap("d", 5, 10, ("a",), tuple(scores), 20, 20, 10, 10)

    drawn = np.asarray(boxed.heated(Image.new("RGB", (200, 100), "gray"), heat)).astype(int)

    hottest = np.unravel_index(drawn[..., 1].argmin(), drawn.shape[:2])
    assert hottest == pytest.approx((50, 150), abs=2)
    assert abs(drawn[:, :110, 0] - drawn[:, :110, 2]).max() == 0


def test_coco_names_pictures_labels_and_boxes() -> None:
    found = Detections(200, 100, {"a flower": 0.9, "bee": 0.1}, (box(50, 40, 150, 90),))

    coco = seeing.coco_of([("x.jpg", found), ("y.jpg", Detections(10, 10, {"bee": 0.0}, ()))])

    assert [image["file_name"] for image in coco["images"]] == ["x.jpg", "y.jpg"]
    assert [c["name"] for c in coco["categories"]] == ["a flower", "bee"]
    (told_box,) = coco["annotations"]
    assert told_box["bbox"] == [50, 40, 100, 50]
    assert (told_box["image_id"], told_box["category_id"], told_box["area"]) == (1, 1, 5000)


def test_without_pillow_the_way_to_get_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(Exception, match=r"--save: Pillow is missing"):
        seeing.folder_of(str(tmp_path), ["a.jpg"], "--save")


def test_turned_boxes_and_key_points_are_kept_and_drawn(tmp_path: Path) -> None:
    """As COCO has them: a polygon, and points by name; an upright box has neither."""
    corners = ((50.0, 10.0), (90.0, 50.0), (50.0, 90.0), (10.0, 50.0))
    points = {"head": (50.0, 30.0), "tail": (50.0, 120.0)}
    turned = Box("cat", 0.9, 10, 10, 90, 90, corners, key_points_px=points)
    found = Detections(100, 130, {"cat": 0.9, "a flower": 0.8}, (turned, box(1, 2, 30, 40)))

    told = seeing.coco_of([("a.jpg", found)])

    cat, flower = told["annotations"]
    assert cat["segmentation"] == [[50, 10, 90, 50, 50, 90, 10, 50]]
    assert cat["keypoints"] == [50, 30, 2, 50, 120, 2]
    assert not {"segmentation", "keypoints"} & flower.keys()
    assert {each["name"]: each.get("keypoints") for each in told["categories"]} == {
        "a flower": None, "cat": ["head", "tail"]
    }  # fmt: skip
    drawn = np.asarray(boxed.boxed(Image.new("RGB", (100, 130)), found))
    assert tuple(drawn[30, 50]) == boxed.POINT
    assert tuple(drawn[30, 70]) == boxed.FOUND
    assert not drawn[60, 50].any()

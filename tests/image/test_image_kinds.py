"""Trainings of other kinds, from folder to model file: classes, presence, a model's weights."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnn_core import modelfile
from cnn_core.layers import Sequential
from sweepnet_service.detectors.image import ImageDetector
from sweepnet_service.detectors.image.batches import material
from sweepnet_service.detectors.image.card import markdown
from sweepnet_service.detectors.image.config import Phase, Shares
from sweepnet_service.detectors.image.dataset import load, read_listing
from sweepnet_service.detectors.image.evaluate import evaluate, measure, report_on
from sweepnet_service.detectors.image.evaluate.page import whole_page
from sweepnet_service.detectors.image.fit import begin, fit, resume, settings
from sweepnet_service.detectors.image.layout import POINTS, PRESENCE, TURNED
from sweepnet_service.detectors.image.train import check, train
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Progress
from sweepnet_service.training.configs import ordered
from tests.image.conftest import SIDE_PX, tiny_config

YELLOW, BLUE = (250, 220, 30), (30, 60, 230)


def quiet(_: Progress) -> None:
    pass


def coco(folder: Path, count: int = 4) -> Path:
    """Yellow and blue squares, one of each in a picture, with their corners and their middle."""
    rng = np.random.default_rng(3)
    for split in ("train", "val"):
        (folder / split).mkdir(parents=True)
        images, rows = [], []
        for at in range(count):
            pixels = rng.integers(40, 90, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
            for kind, colour in ((1, YELLOW), (2, BLUE)):
                x, y, side = (
                    4 + 46 * (kind - 1),
                    int(rng.integers(4, 50)),
                    int(rng.integers(28, 40)),
                )
                pixels[y : y + side, x : x + side] = colour
                ring = [x, y, x + side, y, x + side, y + side, x, y + side]
                middle = [x + side / 2, y + side / 2, 2]
                rows.append({"image_id": at, "category_id": kind, "bbox": [x, y, side, side],
                             "segmentation": [ring], "keypoints": middle})  # fmt: skip
            Image.fromarray(pixels).save(folder / split / f"{at}.png")
            images.append({"id": at, "file_name": f"{at}.png"})
        kinds = [{"id": 1, "name": "yellow", "keypoints": ["middle"]}, {"id": 2, "name": "blue"}]
        told = {"images": images, "annotations": rows, "categories": kinds}
        (folder / f"{split}.json").write_text(json.dumps(told))
    return folder


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return coco(tmp_path_factory.mktemp("colours"))


def test_two_labels_of_one_data_set_are_learnt_and_told_apart(
    colours: Path, tmp_path: Path
) -> None:
    """From a folder with a COCO file for each split to a model, its card and its page."""
    config = tiny_config(
        colours, tmp_path, label="", pictures=8 * 110, shares=Shares(1, 0, 0),
        late_shares=Shares(1, 0, 0),
    )  # fmt: skip
    detector = ImageDetector.load(train(config, quiet))

    assert detector.labels == ("blue", "yellow")
    measured = measure(detector, colours)
    report = report_on(detector, measured, "val")
    assert [part.name for part in report.parts] == ["mean of labels", "blue", "yellow"]
    assert report.parts[0].ap50 > 0.8
    assert report.parts[0].ap50 == pytest.approx(np.mean([p.ap50 for p in report.parts[1:]]))
    assert report.threshold is None
    assert "thresholds: blue" in report.lines()[0]
    # Every picture holds both: there is no other one to tell presence from.
    assert np.isnan(report.parts[0].presence_auc)
    assert not any("nan" in line for line in report.lines())
    page = whole_page(report, measured, {})
    assert ">nan<" not in page
    assert page.count("<svg") == 2
    assert "Most missed, blue" in page or "All found, nothing else told, blue" in page
    text = markdown("colours", detector.card)
    assert "boxes round every blue or yellow" in text
    assert json.loads(json.dumps(detector.card, allow_nan=False)) == detector.card


def test_one_label_given_is_learnt_alone(colours: Path, tmp_path: Path) -> None:
    used = material(tiny_config(colours, tmp_path, label="blue"))

    assert used.labels == ("blue",)
    assert {len(entry.boxes) for entry in used.learn} == {1}


def test_a_label_that_none_has_does_not_merge_several(colours: Path, tmp_path: Path) -> None:
    """`bleu` was a detector of all squares, blue and yellow."""
    with pytest.raises(InvalidInput, match=r"label: got 'bleu', and .* 'blue', 'yellow'; .* ''"):
        material(tiny_config(colours, tmp_path, label="bleu"))


def test_an_order_learns_every_label_where_its_own_is_empty(colours: Path, tmp_path: Path) -> None:
    config, _ = ordered("image", "squares", colours, tmp_path, {"label": ""})
    assert material(config).labels == ("blue", "yellow")


def test_a_label_that_the_val_pictures_lack_is_measured_as_none(
    colours: Path, tmp_path: Path
) -> None:
    """The others' objects were taken for its own."""
    data = shutil.copytree(colours, tmp_path / "data")
    path = data / "val.json"
    path.write_text(path.read_text().replace('"blue"', '"red"'))
    made = train(tiny_config(data, tmp_path, label="blue", pictures=8), quiet)
    report = evaluate(ImageDetector.load(made), data)
    assert report.parts[0].boxes == 0


@pytest.mark.parametrize(
    ("shape", "points"), [(TURNED, (4, 2)), (POINTS, (1, 2)), (PRESENCE, (0, 2))]
)
def test_other_shapes_are_trained_from_the_same_folder(
    colours: Path, tmp_path: Path, shape: str, points: tuple[int, int]
) -> None:
    config = tiny_config(colours, tmp_path, label="", shape=shape, pictures=24)

    detector = ImageDetector.load(train(config, quiet))

    assert detector.shape == shape
    photo = load(material(config).learn[0], (), shape)
    assert photo.objects.points.shape == (2, *points)
    figures = detector.card["figures"]
    assert figures["parts"][0]["boxes"] == 8
    assert ImageDetector.load(config.out).card == detector.card


def test_folders_of_classes_teach_presence(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    for name, colour in (("yellow", YELLOW), ("blue", BLUE), ("none", (120, 120, 120))):
        for at in range(8):
            folder = tmp_path / "data" / ("val" if at > 5 else "train") / name
            folder.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(40, 90, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
            pixels[20:70, 30:80] = colour
            Image.fromarray(pixels).save(folder / f"{at}.png")
    config = tiny_config(
        tmp_path / "data", tmp_path, label="", pictures=8 * 70, phases=(Phase(1.0, 64),),
        detect_size_px=64,
    )  # fmt: skip

    detector = ImageDetector.load(train(config, quiet))

    assert detector.shape == PRESENCE
    assert detector.labels == ("blue", "yellow")
    report = evaluate(detector, tmp_path / "data")
    assert report.parts[0].presence_auc == 1
    assert report.parts[0].boxes == 4
    blue, yellow = (
        detector.detect(tmp_path / "data" / "val" / name / "7.png") for name in ("blue", "yellow")
    )
    assert blue.boxes == yellow.boxes == ()
    assert blue.scores["blue"] > yellow.scores["blue"]
    assert blue.scores["yellow"] < yellow.scores["yellow"]


def test_a_training_starts_from_a_model_and_from_a_work_folder(
    colours: Path, tmp_path: Path
) -> None:
    """With other labels the body and the sides are taken over, the scores learnt anew."""
    first = tiny_config(colours, tmp_path / "one", label="blue", pictures=32)
    path = train(first, quiet)
    other = tiny_config(colours, tmp_path / "two", label="", pictures=16)

    by_file = begin(replace(other, start_from=path)).net
    by_work = begin(replace(other, start_from=first.work_dir)).net

    inputs = np.random.default_rng(0).normal(0, 1, (1, 64, 64, 3)).astype(np.float32)
    body = ImageDetector.load(path).net
    assert isinstance(body, Sequential)
    expected = body.forward(inputs)[..., 1:5]
    for net in (by_file, by_work):
        np.testing.assert_allclose(net.forward(inputs)[..., 2:6], expected, atol=1e-3)
    card = ImageDetector.load(train(replace(other, start_from=path), quiet)).card
    assert card["training"]["started_from"]["pictures"] == 32
    assert "then 16 augmented pictures" in markdown("two", card)


@pytest.mark.parametrize(
    ("content", "told"), [(None, "there is no"), (b"no model", "does not fit"), ("keyword", "fit")]
)
def test_a_start_that_cannot_be_is_told(
    colours: Path, tmp_path: Path, content: bytes | str | None, told: str
) -> None:
    path = tmp_path / "start.safetensors"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        modelfile.save(path, Sequential(()), {"kind": content})
    config = tiny_config(colours, tmp_path / "work", label="blue", start_from=path)

    with pytest.raises(InvalidInput, match=f"start_from: .*{told}"):
        train(config, quiet)


def test_photos_of_a_species_are_left_out(squares: Path, tmp_path: Path) -> None:
    config = tiny_config(squares, tmp_path)

    with pytest.raises(InvalidInput, match="no picture with a box"):
        material(replace(config, leave_out_species=("square",)))
    assert settings(replace(config, leave_out_species=("rose",)))["leave_out_species"] == ["rose"]


def test_a_training_of_before_goes_on(squares: Path, tmp_path: Path) -> None:
    """Of one label and upright boxes its settings are what they were before there were others."""
    config = tiny_config(squares, tmp_path, pictures=8)
    fit(config, quiet)

    kept = settings(config)
    state = resume(config)
    assert state is not None
    assert state.step == 1
    assert not {"layout", "shape", "leave_out_species"} & kept.keys()
    assert "points" not in kept["loss"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"shape": "round"}, "settings.shape: got 'round'; expected one of"),
        ({"shape": POINTS}, "data without key points"),
    ],
)
def test_shapes_that_the_data_does_not_hold_are_told(
    squares: Path, tmp_path: Path, changes: dict[str, str], told: str
) -> None:
    with pytest.raises(InvalidInput, match=told):
        check(tiny_config(squares, tmp_path, **changes))


def test_a_teacher_labels_upright_boxes_of_one_kind(colours: Path, tmp_path: Path) -> None:
    made = train(tiny_config(colours, tmp_path / "one", label="blue", pictures=8), quiet)

    with pytest.raises(InvalidInput, match="teacher: labels upright boxes of one kind"):
        check(tiny_config(colours, tmp_path / "two", label="", teacher=made))


def test_boxes_cannot_be_learnt_from_folders_of_classes(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    for at in range(3):
        Image.new("RGB", (40, 30)).save(tmp_path / "cats" / f"{at}.png")

    with pytest.raises(InvalidInput, match="folders of pictures without boxes"):
        check(tiny_config(tmp_path, tmp_path / "w", shape="box"))


def test_a_class_with_one_example_is_learnt_from(colours: Path, tmp_path: Path) -> None:
    """It has no picture aside: its threshold is that of all labels together."""
    data = coco(tmp_path / "rare")
    told = json.loads((data / "train.json").read_text())
    told["annotations"][0]["category_id"] = 3
    told["categories"].append({"id": 3, "name": "green"})
    (data / "train.json").write_text(json.dumps(told))

    detector = ImageDetector.load(
        train(tiny_config(data, tmp_path / "w", label="", pictures=8), quiet)
    )

    assert detector.labels == ("blue", "green", "yellow")
    assert 0 <= detector.default_thresholds["green"] <= 1
    assert {entry.name for entry in read_listing(data, "flowers", "val")} == {
        "0.png", "1.png", "2.png", "3.png"
    }  # fmt: skip

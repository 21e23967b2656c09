"""Training: learns, goes on where it stopped bit for bit, refuses what it cannot use."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cnn_core.decide import box_iou
from cnn_core.tree import leaves
from sweepnet_service.detectors.image import ImageDetector
from sweepnet_service.detectors.image.augment import Augmentation
from sweepnet_service.detectors.image.batches import batch, material, pool
from sweepnet_service.detectors.image.card import markdown
from sweepnet_service.detectors.image.config import Phase, Shares, TrainConfig
from sweepnet_service.detectors.image.dataset import (
    load,
    read_listing,
    read_listing_if_any,
    set_aside,
    without_sources,
)
from sweepnet_service.detectors.image.evaluate import evaluate
from sweepnet_service.detectors.image.fit import advance, begin, fit, resume
from sweepnet_service.detectors.image.teacher import completed
from sweepnet_service.detectors.image.train import train
from sweepnet_service.errors import FailedPrecondition, InvalidInput
from sweepnet_service.progress import Progress


def _silent(_: Progress) -> None:
    pass


def test_four_pictures_are_learned(trained: tuple[Path, list[Progress]], squares: Path) -> None:
    report = evaluate(ImageDetector.load(trained[0]), squares, split="train", progress=_silent)

    assert report.parts[0].ap50 == 1
    assert report.parts[0].presence_auc == 1


def test_training_tells_where_it_is(trained: tuple[Path, list[Progress]]) -> None:
    stages = [p.stage for p in trained[1]]
    running = [p for p in trained[1] if p.stage == "training"]

    assert stages[0] == "reading pictures"
    assert stages[-1] == "done"
    assert running[-1].done == running[-1].total or len(running) > 2
    assert all(p.seconds_left is not None and p.seconds_left >= 0 for p in running)


def test_the_card_is_in_the_file_and_beside_it(trained: tuple[Path, list[Progress]]) -> None:
    card = ImageDetector.load(trained[0]).card
    text = trained[0].with_suffix(".md").read_text()

    assert card["label"] == "square"
    assert card["data"]["pictures_complete"] == 4
    assert card["figures"]["parts"][0]["ap50"] > 0.5
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert text.startswith("# square")
    assert f"{card['figures']['parts'][0]['ap50']:.3f}" in text
    assert "0.5, as none of the training pictures with an object was kept aside" in text
    assert "Left out" not in text


def test_a_finished_training_is_only_measured_and_written_again(
    trained: tuple[Path, list[Progress]], square_config: TrainConfig, tmp_path: Path
) -> None:
    told: list[Progress] = []
    again = train(replace(square_config, out=tmp_path / "square.safetensors"), told.append)

    first, second = ImageDetector.load(trained[0]), ImageDetector.load(again)
    assert first.card == second.card
    for (path, a), (_, b) in zip(leaves(first.net), leaves(second.net), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=path)
    assert not {"reading pictures", "training"} & {p.stage for p in told}


def test_a_resumed_training_equals_an_undisturbed_one(config: TrainConfig, tmp_path: Path) -> None:
    short = replace(config, pictures=8 * 7)
    stopped = replace(short, work_dir=tmp_path / "stopped")
    calls = iter([False, False, True, False, True])
    for _ in range(2):
        with pytest.raises(FailedPrecondition, match="stopped at step"):
            fit(stopped, _silent, lambda: next(calls))

    resumed = fit(stopped, _silent)

    whole = fit(replace(short, work_dir=tmp_path / "whole"), _silent)
    for (path, a), (_, b) in zip(leaves(resumed), leaves(whole), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=path)


def test_other_settings_are_not_mixed_into_a_training(config: TrainConfig) -> None:
    short = replace(config, pictures=16)
    fit(short, _silent)

    with pytest.raises(FailedPrecondition, match="holds a training with other settings"):
        fit(replace(short, rate=1e-4), _silent)


def test_a_batch_depends_on_seed_and_step_alone(config: TrainConfig) -> None:
    photos = pool(material(config).learn, config.species)

    first, again, later = (batch(photos, config, step) for step in (3, 3, 4))

    np.testing.assert_array_equal(first.inputs, again.inputs)
    np.testing.assert_array_equal(first.targets.heat, again.targets.heat)
    assert not np.array_equal(first.inputs, later.inputs)


@pytest.mark.parametrize(
    ("batch_size", "shards", "sizes"), [(8, 2, (4, 4)), (5, 2, (3, 2)), (1, 2, (1,)), (7, 1, (7,))]
)
def test_a_batch_of_any_size_is_cut_into_parts(
    config: TrainConfig, batch_size: int, shards: int, sizes: tuple[int, ...]
) -> None:
    parted = replace(config, batch=batch_size, shards=shards)
    photos = pool(material(config).learn, config.species)

    drawn = [batch(photos, parted, 0, part) for part in range(len(sizes))]

    assert parted.part_sizes == sizes
    assert tuple(len(each.inputs) for each in drawn) == sizes


def test_threads_change_no_bit(config: TrainConfig) -> None:
    """The parts of a batch one after another, or at once."""
    short = replace(config, pictures=15, batch=5)
    photos = pool(material(short).learn, short.species)

    one, _ = advance(short, photos, begin(short))
    with ThreadPoolExecutor(2) as threads:
        two, _ = advance(short, photos, begin(short), threads.map)

    for (path, a), (_, b) in zip(leaves(one.net), leaves(two.net), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=path)


def test_phases_set_the_input_size(config: TrainConfig) -> None:
    phased = replace(config, phases=(Phase(0.65, 192), Phase(1.0, 256)))

    assert [phased.size_px(x) for x in (0, 0.64, 0.65, 1.0)] == [192, 192, 256, 256]


def test_setting_aside_depends_on_names_alone(squares: Path) -> None:
    entries = read_listing(squares, "flowers", "train")

    rest, aside = set_aside(entries, 0.5)
    again, _ = set_aside(entries[::-1], 0.5)

    assert sorted(e.name for e in (*rest, *aside)) == sorted(e.name for e in entries)
    assert {e.name for e in rest} == {e.name for e in again}
    assert set_aside(entries, 0.0)[1] == ()


def test_sources_are_left_out_by_the_manifest(squares: Path) -> None:
    manifest = squares / "MANIFEST.csv"
    manifest.write_text("file,source_repo\nflowers/train/sq_1.png,a/doubtful\n")
    try:
        entries = read_listing(squares, "flowers", "train")
    finally:
        manifest.unlink()

    kept = without_sources(entries, ("a/doubtful",))

    assert {e.name for e in entries} - {e.name for e in kept} == {"sq_1.png"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "missing; expected a COCO list"),
        ("no json", "is no JSON"),
        ('{"pictures": []}', "is no COCO list"),
        ('{"images": [], "annotations": []}', "no picture with a box"),
    ],
)
def test_unusable_data_is_told(
    config: TrainConfig, tmp_path: Path, content: str | None, told: str
) -> None:
    folder = tmp_path / "data" / "flowers"
    folder.mkdir(parents=True)
    if content is not None:
        (folder / "train.json").write_text(content)

    with pytest.raises(InvalidInput, match=told):
        fit(replace(config, data=tmp_path / "data"), _silent)


@pytest.mark.parametrize("name", ["../../../secret.jpg", "{}/secret.jpg", "link.jpg"])
def test_a_listing_names_only_files_within_the_data_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    pictures = tmp_path / "data" / "flowers" / "train"
    pictures.mkdir(parents=True)
    (pictures / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    listed = {"images": [{"id": 0, "file_name": name.format(tmp_path)}]}
    (pictures.parent / "train.json").write_text(json.dumps(listed))
    told = r"^flowers/train\.json: got .*, which leads out of the data folder"
    with pytest.raises(InvalidInput, match=told):
        read_listing(tmp_path / "data", "flowers", "train")


@pytest.mark.parametrize("group", ["../flowers", "link"])
def test_a_group_lies_within_the_data_folder(squares: Path, tmp_path: Path, group: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "flowers").symlink_to(squares / "flowers")
    (tmp_path / "data" / "link").symlink_to(squares / "flowers")

    for read in (read_listing, read_listing_if_any):
        with pytest.raises(InvalidInput, match="leads out of the data folder"):
            read(tmp_path / "data", group, "train")


def test_a_linked_data_folder_is_read(squares: Path, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(squares)

    assert len(read_listing(tmp_path / "data", "flowers", "train")) == 4


def test_errors_of_a_listing_do_not_tell_where_the_data_lie(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_listing(tmp_path, "flowers", "train")

    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("rate", wrong) for wrong in (float("nan"), float("inf"), 0.0, -1.0)),
        *((name, 0) for name in ("pictures", "batch", "checkpoint_every", "pyramid")),
        *(("aside_share", wrong) for wrong in (1.0, -0.1)),
        ("loss.box", float("nan")),
        ("augmentation.mosaic_share", 1.5),
        ("shares.negative", -0.1),
        ("seed", -1),
    ],
)
def test_numbers_that_cannot_train_are_refused_by_name(
    square_config: TrainConfig, tmp_path: Path, name: str, value: float
) -> None:
    good = replace(square_config, work_dir=tmp_path / "w", out=tmp_path / "m.safetensors")
    outer, _, inner = name.rpartition(".")
    record = {outer: replace(getattr(good, outer), **{inner: value})} if outer else {inner: value}
    with pytest.raises(InvalidInput, match=rf"settings\.{name}: got {value!r}; expected a number"):
        train(replace(good, **record), _silent)
    assert not list(tmp_path.iterdir())


def test_shares_that_draw_nothing_are_refused(square_config: TrainConfig) -> None:
    with pytest.raises(InvalidInput, match=r"settings\.late_shares: got only zeros"):
        train(replace(square_config, late_shares=Shares(0, 0, 0)), _silent)


def test_data_that_is_missing_is_told_of_before_any_work(
    square_config: TrainConfig, tmp_path: Path
) -> None:
    told: list[Progress] = []
    with pytest.raises(InvalidInput, match="missing"):
        train(replace(square_config, data=tmp_path, work_dir=tmp_path / "w"), told.append)
    assert not told


def test_a_teacher_labels_what_was_left_out(
    trained: tuple[Path, list[Progress]], squares: Path
) -> None:
    teacher = ImageDetector.load(trained[0])
    photo = load(read_listing(squares, "flowers", "train")[0], ("square",))
    bare = replace(photo, objects=photo.objects[:0], complete=False)

    found = completed(bare, teacher, sure=0.5, doubtful=0.3)

    assert found.complete
    assert box_iou(found.boxes, photo.boxes).max() > 0.5
    assert found.objects.species.tolist() == [-1] * len(found.boxes)


def test_a_teacher_leaves_labelled_objects_as_they_are(
    trained: tuple[Path, list[Progress]], squares: Path
) -> None:
    teacher = ImageDetector.load(trained[0])
    photo = load(read_listing(squares, "flowers", "train")[0], ("square",))

    found = completed(replace(photo, complete=False), teacher, sure=0.5, doubtful=0.3)

    np.testing.assert_array_equal(found.boxes, photo.boxes)
    np.testing.assert_array_equal(found.objects.species, photo.objects.species)


def test_another_teacher_is_another_training(
    trained: tuple[Path, list[Progress]], config: TrainConfig, tmp_path: Path
) -> None:
    short = replace(config, pictures=8)
    fit(short, _silent)

    with pytest.raises(FailedPrecondition, match=r"other settings .*taught_by"):
        fit(replace(short, teacher=trained[0]), _silent)


def test_a_training_that_fails_keeps_its_last_step(config: TrainConfig) -> None:
    """Whatever ends the loop, Ctrl-C included, the state is kept."""

    def interrupted(progress: Progress) -> None:
        if progress.stage == "training":
            raise KeyboardInterrupt

    short = replace(config, pictures=8 * 30)
    with pytest.raises(KeyboardInterrupt):
        fit(short, interrupted)

    kept = resume(short)
    assert kept is not None
    assert kept.step == 25


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"phases": (Phase(1.0, 100),)},
            r"settings\.phases: got sides \[100\]; expected multiples",
        ),
        ({"phases": (Phase(0.5, 96),)}, r"settings\.phases: got shares \[0\.5\]; expected rising"),
        ({"phases": ()}, r"settings\.phases: got sides \[\]; expected"),
        ({"doubtful": 0.9}, r"settings\.doubtful: got 0\.9; expected at most sure, 0\.5"),
        (
            {"detect_more_px": (100,)},
            r"settings\.detect_size_px: got 96 and \[100\]; expected mult",
        ),
        (
            {"detect_size_px": 4096},
            r"got 4096 and \[\]; expected multiples of 32 pixels, up to 2048",
        ),
        (
            {"augmentation": Augmentation(outline="round")},
            r"settings\.augmentation\.outline: got 'round'; expected one of",
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(
    square_config: TrainConfig, tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    with pytest.raises(InvalidInput, match=told):
        train(replace(square_config, work_dir=tmp_path, **changes), _silent)


def test_the_card_tells_who_labelled_what_was_left_out(
    trained: tuple[Path, list[Progress]],
) -> None:
    card = ImageDetector.load(trained[0]).card
    taught = {**card, "training": {**card["training"], "taught_by": "0123456789abcdef"}}

    assert "labelled by the model file" not in markdown("square", card)
    assert "SHA-256 0123456789abcdef... where it was sure (0.5)" in markdown("square", taught)

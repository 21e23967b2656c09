"""Turned boxes and key points: bricks at any angle, and figures with head, hands and feet.

A seeded generator draws the pictures with their labels as a COCO data set, and the command that
learns from photos learns from it: `sweepnet train image` would do the same.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFilter

from cnn_core.arrays import Array
from examples.running import AMBER, BLUE, flags, metered, parsed, picture, run, save
from sweepnet_service.detectors.image import Detections, ImageDetector
from sweepnet_service.detectors.image.config import Phase, Shares, TrainConfig
from sweepnet_service.detectors.image.dataset import read_listing
from sweepnet_service.detectors.image.evaluate import evaluate
from sweepnet_service.detectors.image.layout import POINTS, TURNED
from sweepnet_service.detectors.image.train import train

SIDE_PX, FINE = 160, 3
POINT_NAMES = ("head", "left_hand", "right_hand", "left_foot", "right_foot")
BONES = (((0, -1), (0, -0.6)), ((0, -0.6), (0, 0.1)))
TRAIN, VAL, MOST = 400, 120, 3
SHOWN = 6
Pen = ImageDraw.ImageDraw


@dataclass(frozen=True)
class Thing:
    """A drawn object: its outline or its key points (n, 2), and its upright box, in pixels."""

    points: Array
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Task:
    """What is drawn, what is told of it, and how an annotation keeps its points."""

    name: str
    shape: str
    draw: Callable[[np.random.Generator, Pen], Thing]
    category: dict[str, Any]
    kept: Callable[[Array], dict[str, Any]]


def brick(rng: np.random.Generator, pen: Pen) -> Thing:
    """A rectangle at any angle."""
    long = rng.uniform(24, 70)
    halves = np.array([long, long / rng.uniform(1.3, 4)]) / 2
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * halves
    placed = _placed(corners, rng, np.pi)
    _polygon(pen, placed, _colour(rng))
    return Thing(placed, _box(placed))


def figure(rng: np.random.Generator, pen: Pen) -> Thing:
    """A stick figure, upright or leaning; its left is the left of the picture."""
    half, wide = rng.uniform(16, 42), rng.uniform(0.35, 0.8, 2)
    hands = [(-wide[0], rng.uniform(-0.9, 0.2)), (wide[1], rng.uniform(-0.9, 0.2))]
    feet = [(-rng.uniform(0.15, 0.5), 1), (rng.uniform(0.15, 0.5), 1)]
    limbs = [((0, -0.5), hand) for hand in hands] + [((0, 0.1), foot) for foot in feet]
    lines = np.array([*BONES, *limbs], float) * half
    points = np.array([(0, -1), *hands, *feet], float) * half
    every = _placed(np.concatenate((points, lines.reshape(-1, 2))), rng, np.deg2rad(35))
    placed, ends = every[:5], every[5:].reshape(-1, 2, 2)
    colour, width = _colour(rng), max(2.0, half / 9)
    for start, end in ends:
        pen.line([*_fine(start), *_fine(end)], fill=colour, width=round(width * FINE))
    x, y = _fine(placed[0])
    radius = 0.2 * half * FINE
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return Thing(placed, _box(every, margin=0.2 * half))


def _placed(points: Array, rng: np.random.Generator, most_turn: float) -> Array:
    """Points turned about the origin and put somewhere into the picture."""
    turn = rng.uniform(-most_turn, most_turn)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    turned = points @ matrix.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    return np.asarray(turned - low + rng.uniform(4, SIDE_PX - 4 - (high - low)))


def _box(points: Array, margin: float = 0.0) -> tuple[float, float, float, float]:
    (x0, y0), (x1, y1) = points.min(axis=0) - margin, points.max(axis=0) + margin
    return float(x0), float(y0), float(x1), float(y1)


def _fine(point: Array) -> tuple[float, float]:
    return float(point[0]) * FINE, float(point[1]) * FINE


def _polygon(pen: Pen, corners: Array, colour: tuple[int, ...]) -> None:
    pen.polygon([_fine(corner) for corner in corners], fill=colour)


def _colour(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(v) for v in rng.integers(0, 256, 3))


def scene(rng: np.random.Generator, task: Task) -> tuple[Image.Image, list[Thing]]:
    """A picture with up to MOST things apart from each other, on soft colours among lines and
    discs; one of four holds none."""
    coarse = rng.integers(0, 256, (rng.integers(2, 7), rng.integers(2, 7), 3), dtype=np.uint8)
    fine = (SIDE_PX * FINE, SIDE_PX * FINE)
    image = Image.fromarray(coarse).resize(fine, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    for _ in range(rng.integers(0, 6)):
        x, y, size = *rng.uniform(0, fine[0], 2), rng.uniform(10, 60) * FINE
        if rng.random() < 0.5:
            pen.ellipse((x, y, x + size, y + size * rng.uniform(0.4, 1)), fill=_colour(rng))
        else:
            ends = (x, y, x + rng.uniform(-size, size), y + rng.uniform(-size, size))
            pen.line(ends, fill=_colour(rng), width=round(rng.uniform(1, 3) * FINE))
    things: list[Thing] = []
    for _ in range(0 if rng.random() < 0.25 else rng.integers(1, MOST + 1)):
        # Tried on a sheet of its own: what would cover another thing is not drawn.
        state = rng.bit_generator.state
        thing = task.draw(rng, ImageDraw.Draw(Image.new("RGB", fine)))
        if all(_apart(thing.box, other.box) for other in things):
            rng.bit_generator.state = state
            things.append(task.draw(rng, pen))
    small = image.resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    return small.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.8))), things


def _apart(one: Sequence[float], two: Sequence[float]) -> bool:
    return one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]


TASKS = (
    Task("bricks", TURNED, brick, {}, lambda points: {"corners": points.ravel().tolist()}),
    Task(
        "figures",
        POINTS,
        figure,
        {"keypoints": POINT_NAMES},
        lambda points: {"keypoints": np.insert(points, 2, 2, axis=1).ravel().tolist()},
    ),
)


def draw_all(task: Task, folder: Path, seed: int, counts: dict[str, int]) -> None:
    """The data set in `folder`: train and val, each with its COCO file."""
    for number, (split, count) in enumerate(counts.items()):
        rng = np.random.default_rng((seed, number))
        (folder / split).mkdir(parents=True)
        images, annotations = [], []
        for at in range(count):
            image, things = scene(rng, task)
            image.save(folder / split / f"{split}_{at:04d}.png")
            images.append({"id": at, "file_name": f"{split}_{at:04d}.png"})
            for thing in things:
                x0, y0, x1, y1 = thing.box
                row = {"image_id": at, "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0]}
                annotations.append(row | task.kept(thing.points))
        category = {"id": 1, "name": task.name.removesuffix("s"), **task.category}
        told = {"images": images, "annotations": annotations, "categories": [category]}
        (folder / f"{split}.json").write_text(json.dumps(told))


def config_of(task: Task, data: Path, pictures: int) -> TrainConfig:
    """A small network, on pictures that hold what there is to learn."""
    shares = Shares(0.85, 0.0, 0.15)
    return replace(
        TrainConfig(
            data=data,
            work_dir=data.with_name(f"{task.name}-training"),
            out=data.with_name(f"{task.name}.safetensors"),
        ),
        shape=task.shape,
        species=(),
        pictures=pictures,
        phases=(Phase(1.0, SIDE_PX),),
        detect_size_px=SIDE_PX,
        shares=shares,
        late_shares=shares,
        widths=(12, 24, 40, 56, 64),
        pyramid=40,
        rate=3e-3,
    )


def drawn(axes: Axes, pixels: Array, found: Detections) -> None:
    """A picture with what was found in it: turned boxes, or points joined in their order."""
    picture(axes, pixels)
    for box in found.boxes:
        ring = np.array([*box.corners_px, box.corners_px[0]])
        axes.plot(*ring.T, color=BLUE, linewidth=1.4 if box.turned_px else 0.8)
        for point in box.points:
            axes.plot(point.x_px, point.y_px, "o", color=AMBER, markersize=4, mec="black", mew=0.5)


def main(arguments: list[str] | None = None) -> None:
    """Draw, learn, measure, and draw what was found."""
    parser = flags(__doc__)
    parser.add_argument("--pictures", type=int, default=16_000, help="of each training")
    chosen = parsed(parser, arguments)
    counts = {"train": 12, "val": SHOWN} if chosen.quick else {"train": TRAIN, "val": VAL}
    sheet = Figure(figsize=(2 * SHOWN, 4.2), layout="constrained")
    rows = sheet.subplots(len(TASKS), SHOWN)
    for task, row in zip(TASKS, rows, strict=True):
        data = chosen.out / "poses" / f"{task.name}-{chosen.seed}"
        if chosen.quick:
            shutil.rmtree(data.parent, ignore_errors=True)
        if not (data / "val.json").exists():
            shutil.rmtree(data, ignore_errors=True)
            draw_all(task, data, chosen.seed, counts)
        config = config_of(task, data, 32 if chosen.quick else chosen.pictures)
        with metered() as report:
            detector = ImageDetector.load(train(config, report))
        told = evaluate(detector, data)
        print(f"{task.name}, {told.parts[0].boxes} in {told.parts[0].pictures} pictures:")
        print("\n".join(told.lines()))
        photos = [entry for entry in read_listing(data, config.objects, "val") if len(entry.boxes)]
        for axes, entry in zip(row, photos, strict=False):
            drawn(axes, np.asarray(Image.open(entry.path)), detector.detect(entry.path))
    save(sheet, chosen.out / "poses.png")


if __name__ == "__main__":
    run(main, resumes=True)

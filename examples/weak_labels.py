"""A pattern in noise, learnt from recordings that only say whether they hold it, not where.

The motivating experiment of the lectures, for signals and for pictures. In training the pattern
lies in the first half only; all others hold its mirror image, so that loudness tells nothing. A
shared window detector, swept and aggregated, finds it in the second half as well and says where;
a plain MLP over the whole recording knows only places that it has seen.
"""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from rich.console import Console
from rich.table import Table
from scipy.special import expit

from cnn_core.aggregate import LogSumExp
from cnn_core.arrays import Array, Integers
from cnn_core.fit import fit
from cnn_core.layers import Conv1d, Conv2d, Dense, Flatten, Layer, Relu, Sequential
from cnn_core.losses import binary_cross_entropy
from cnn_core.measure import predict
from cnn_core.optim import AdamW
from cnn_core.recipes import Recipe
from cnn_core.schedules import Cosine
from cnn_core.weak import Swept
from examples.running import (
    BLUE,
    GREEN,
    INK,
    RED,
    Course,
    flags,
    metered,
    parsed,
    plain,
    run,
    save,
    share,
)

RECIPE = Recipe(
    batch=64,
    epochs=10,
    optimiser=AdamW(weight_decay=0.01),
    schedule=Cosine(5e-3, warmup=0.02),
    clip=1.0,
)
MLP_EPOCHS = 60
"""Six times as many recordings, lest the MLP fail for want of them."""
EPOCH = 3200
"""Recordings of an epoch, each drawn anew and never seen again."""
BORDER = 4
"""Samples or pixels between a pattern and the recording's edge."""
WORK = {"1-D scan": 3.0, "1-D MLP": 4.0, "2-D scan": 10.0, "2-D MLP": 10.0}
"""Shares of the whole time, for the bar."""
MEASURED = 2000
TEMPERATURE = 1.0
SCAN, MLP = "scan", "MLP"


@dataclass(frozen=True, eq=False)
class Recordings:
    """Inputs (N, *size, 1), whether each holds the pattern (N, 1), where it begins (N, axes)."""

    inputs: Array
    holds: Array
    places: Integers


@dataclass(frozen=True, eq=False)
class World:
    """Noise of `size` with `pattern`, or its mirror image, added at a random place."""

    name: str
    size: tuple[int, ...]
    pattern: Array

    def draw(self, rng: np.random.Generator, count: int, first_half: bool) -> Recordings:
        """Recordings whose pattern lies in one half of the last axis, at any place there."""
        kernel, half = self.pattern.shape, self.size[-1] // 2
        low = np.full(len(self.size), BORDER)
        high = np.array(self.size) - kernel - BORDER
        low[-1], high[-1] = (BORDER, half - kernel[-1]) if first_half else (half, high[-1])
        places = rng.integers(low, high + 1, (count, len(self.size)))
        inputs = rng.standard_normal((count, *self.size)).astype(np.float32)
        holds = rng.random(count) < 0.5
        for x, place, held in zip(inputs, places, holds, strict=True):
            span = tuple(slice(p, p + k) for p, k in zip(place, kernel, strict=True))
            x[span] += self.pattern if held else self.pattern[..., ::-1]
        return Recordings(inputs[..., None], holds[:, None].astype(np.float32), places)

    # The two below make a world the examples of `fit`: fresh ones, of the first half.

    def __len__(self) -> int:
        return EPOCH

    def batch(self, rows: Integers, rng: np.random.Generator) -> tuple[Array, Array]:
        drawn = self.draw(rng, len(rows), first_half=True)
        return drawn.inputs, drawn.holds


def chirp() -> World:
    """A rising tone of 24 samples among 200; its mirror image falls."""
    t = np.arange(24) / 24
    tone = 4.0 * np.hanning(24) * np.sin(2 * np.pi * (1.5 * t + 3 * t * t))
    return World("1-D", (200,), tone.astype(np.float32))


def letter() -> World:
    """An F of 9 x 9 pixels in a picture of 44 x 44; its mirror image is no F."""
    pixels = np.zeros((9, 9), np.float32)
    pixels[1:8, 2:4] = pixels[1:3, 2:7] = pixels[4:6, 2:6] = 1
    return World("2-D", (44, 44), 3.0 * (pixels - pixels.mean()))


def detector(rng: np.random.Generator, world: World) -> Swept:
    """A window network as wide as the pattern, swept; its log odds smoothly maximised."""
    conv = Conv1d if len(world.size) == 1 else Conv2d
    first = 9 if len(world.size) == 1 else 5
    second = world.pattern.shape[0] - first + 1
    window = Sequential((
        conv.create(rng, 1, 8, first), Relu(), conv.create(rng, 8, 8, second), Relu(),
        conv.create(rng, 8, 1, 1),
    ))  # fmt: skip
    return Swept(window, LogSumExp(TEMPERATURE))


def plain_mlp(rng: np.random.Generator, world: World) -> Sequential:
    """A hidden layer of 64 over the whole recording."""
    inputs = int(np.prod(world.size))
    layers = (Flatten(), Dense.create(rng, inputs, 64), Relu(), Dense.create(rng, 64, 1))
    return Sequential(layers)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a world: right answers by (network, half), and how far off the best window."""

    world: World
    net: Swept
    right: dict[tuple[str, str], int]
    count: int
    errors: Array
    example: Recordings
    """The recording of the second half whose answer is the median of those with the pattern."""


def study(world: World, nets: dict[str, Layer], seed: int, count: int) -> Outcome:
    """Both networks on new recordings of both halves."""
    halves = {
        "first half": world.draw(np.random.default_rng((seed, 1)), count, first_half=True),
        "second half": world.draw(np.random.default_rng((seed, 2)), count, first_half=False),
    }
    right = {
        (name, half): int(((predict(net, rows.inputs) > 0) == (rows.holds > 0)).sum())
        for name, net in nets.items()
        for half, rows in halves.items()
    }
    scan, rows = nets[SCAN], halves["second half"]
    assert isinstance(scan, Swept)
    held = np.flatnonzero(rows.holds[:, 0])
    errors = distances(scan, part(rows, held))
    odds = predict(scan, rows.inputs[held])[:, 0]
    ordinary = held[np.argsort(odds)[len(held) // 2 :][:1]]
    return Outcome(world, scan, right, count, errors, part(rows, ordinary))


def part(rows: Recordings, chosen: Integers) -> Recordings:
    return Recordings(rows.inputs[chosen], rows.holds[chosen], rows.places[chosen])


def distances(scan: Swept, rows: Recordings) -> Array:
    """How far the highest window lies from the pattern, the larger of both axes, (N,)."""
    scores = predict(scan.net, rows.inputs)[..., 0]
    best = scores.reshape(len(scores), -1).argmax(axis=1)
    places = np.stack(np.unravel_index(best, scores.shape[1:]), axis=1)
    return np.asarray(np.abs(places - rows.places).max(axis=1))


def report(outcomes: list[Outcome]) -> None:
    """The figures as a table, with 95 % intervals."""
    columns = ("", "network", "right in the first half (as in training)", "in the second (new)")
    table = Table(*columns, box=None)
    for outcome in outcomes:
        for name in (SCAN, MLP):
            halves = [outcome.right[name, half] for half in ("first half", "second half")]
            cells = [share(right, outcome.count) for right in halves]
            table.add_row(outcome.world.name, name, *cells)
    Console(width=110).print(table)
    for outcome in outcomes:
        near = int((outcome.errors <= outcome.world.pattern.shape[0] / 2).sum())
        print(
            f"{outcome.world.name}: highest window within half a pattern of the true place in "
            f"{share(near, len(outcome.errors))}, median error {np.median(outcome.errors):.0f} "
            "(second half, no place was ever told)"
        )


def draw(outcomes: list[Outcome], path: Path) -> None:
    """For each world a row: a recording, its scores, the answers, how far off the place is."""
    figure = Figure(figsize=(13, 6.4), layout="constrained")
    grid = figure.subplots(len(outcomes), 4, width_ratios=(1.5, 1.5, 1, 1), squeeze=False)
    for row, outcome in zip(grid, outcomes, strict=True):
        scores = expit(outcome.net.net.forward(outcome.example.inputs))[0, ..., 0]
        show = _signal if len(outcome.world.size) == 1 else _picture
        show(row[0], row[1], outcome, scores)
        _answers(row[2], outcome)
        _places(row[3], outcome)
    save(figure, path)


def _signal(left: Axes, right: Axes, outcome: Outcome, scores: Array) -> None:
    """The samples with the pattern's place, and the score of each window at its middle."""
    place, length = int(outcome.example.places[0, 0]), len(outcome.world.pattern)
    samples = outcome.example.inputs[0, :, 0]
    left.plot(samples, color=INK, lw=0.8)
    left.plot(range(place, place + length), outcome.world.pattern, color=GREEN, lw=2)
    right.plot(np.arange(len(scores)) + (length - 1) / 2, scores, color=BLUE)
    right.set_ylim(0, 1.05)
    for axes in (left, right):
        axes.axvspan(place, place + length, color=GREEN, alpha=0.18, lw=0)
        axes.axvspan(0, outcome.world.size[-1] / 2, color=INK, alpha=0.05, lw=0)
        axes.set_xlim(0, outcome.world.size[-1])
    plain(left, "A new recording, its pattern (green)", "sample (grey: places of training)")
    plain(right, "Score of every window", "middle of the window")


def _picture(left: Axes, right: Axes, outcome: Outcome, scores: Array) -> None:
    """The pixels and the scores over them, with the pattern's place."""
    (y, x), (height, width) = outcome.example.places[0], outcome.world.pattern.shape
    rows, columns = outcome.world.size
    left.imshow(outcome.example.inputs[0, ..., 0], cmap="gray", extent=(0, columns, rows, 0))
    left.axvspan(0, columns / 2, color=BLUE, alpha=0.12, lw=0)
    edge_y, edge_x = (height - 1) / 2, (width - 1) / 2
    shown = right.imshow(
        scores, vmin=0, vmax=1, cmap="magma",
        extent=(edge_x, columns - edge_x, rows - edge_y, edge_y),
    )  # fmt: skip
    right.figure.colorbar(shown, ax=right, fraction=0.045, pad=0.02)
    for axes in (left, right):
        axes.add_patch(Rectangle((x, y), width, height, fill=False, ec=GREEN, lw=2))
        axes.set_xlim(0, columns)
        axes.set_ylim(rows, 0)
    plain(left, "A new picture, its F (green)", "pixel (blue: places of training)")
    plain(right, "Score of every window", "middle of the window")


def _answers(axes: Axes, outcome: Outcome) -> None:
    """Right answers in both halves, both networks."""
    bars = [
        (name, half, 100 * outcome.right[name, half] / outcome.count)
        for name in (SCAN, MLP)
        for half in ("first half", "second half")
    ]
    colours = [BLUE if name == SCAN else RED for name, _, _ in bars]
    drawn = axes.bar(range(4), [value for *_, value in bars], color=colours, width=0.75)
    for bar in drawn[1::2]:
        bar.set_alpha(0.6)
    axes.bar_label(drawn, fmt="%.0f", color=INK)
    axes.axhline(50, color=INK, lw=0.8, ls=":")
    axes.set_xticks(range(4), ["first\nhalf", "second\nhalf"] * 2)
    axes.set_ylim(0, 108)
    plain(axes, "Right answers, %")
    for middle, text, colour in ((0.5, "shared\nwindow", BLUE), (2.5, "plain\nMLP", RED)):
        axes.text(middle, -0.2, text, color=colour, ha="center", va="top", weight="bold",
                  transform=axes.get_xaxis_transform())  # fmt: skip


def _places(axes: Axes, outcome: Outcome) -> None:
    """How far the highest window lies from the truth, where no place was ever told."""
    most = outcome.world.pattern.shape[0]
    axes.hist(
        np.minimum(outcome.errors, most), bins=(np.arange(most + 2) - 0.5).tolist(), color=BLUE
    )
    unit = "samples" if len(outcome.world.size) == 1 else "pixels"
    plain(axes, "Error of the place", f"{unit} ({most}: or more)", "recordings")


def main(arguments: list[str] | None = None) -> None:
    given = parsed(flags(__doc__), arguments)
    outcomes = []
    with metered() as show:
        course = Course(show, WORK)
        for world in (chirp(), letter()):
            nets = {name: learn(world, name, given, course) for name in (SCAN, MLP)}
            outcomes.append(study(world, nets, given.seed, 200 if given.quick else MEASURED))
    report(outcomes)
    draw(outcomes, given.out / "weak_labels.png")


def learn(world: World, name: str, given: Namespace, course: Course) -> Layer:
    """One network, trained on fresh recordings of the first half."""
    make = detector if name == SCAN else plain_mlp
    epochs = RECIPE.epochs if name == SCAN else MLP_EPOCHS
    label = f"{world.name} {name}"
    fitted = fit(
        make(np.random.default_rng(given.seed), world),
        world,
        replace(RECIPE, epochs=1 if given.quick else epochs),
        loss=binary_cross_entropy,
        progress=course.part(label),
        checkpoint=kept(given, label),
        seed=given.seed,
    )
    return fitted.net


def kept(given: Namespace, label: str) -> Path:
    """Where a training goes on from if it was stopped."""
    return Path(given.out / f"weak-{label.replace(' ', '-')}-{given.seed}.checkpoint")


if __name__ == "__main__":
    run(main)

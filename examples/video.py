"""A small 3-D network learns which way a pattern moves, which no single frame tells.

Clips are random patterns that drift by a pixel a frame in one of four directions and come back at
the other side, with noise on every frame, so a frame looks the same whatever the direction. The
same network is trained on what cannot tell it, too: one frame all the time, which knows nothing,
and the frames shuffled, which know along which line but not which way. Clips come from a seeded
generator.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

from cnn_core.arrays import Array, Integers
from cnn_core.batches import Arrays
from cnn_core.fit import Fitted, fit
from cnn_core.layers import Sequential
from cnn_core.measure import error_rate
from cnn_core.networks import video
from cnn_core.optim import Adam
from cnn_core.recipes import Recipe
from cnn_core.schedules import Cosine
from examples.running import (
    AMBER,
    BLUE,
    FAINT,
    RED,
    Course,
    Show,
    errors,
    flags,
    metered,
    parsed,
    picture,
    plain,
    run,
    save,
    share,
)

WAYS = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}
FRAMES, SIZE_PX = 8, 16
NOISE = 0.3
RECIPE = Recipe(batch=50, epochs=8, optimiser=Adam(), schedule=Cosine(5e-3, warmup=0.05))

MOVING, SHUFFLED, STILL = "the clip", "its frames shuffled", "one frame of it"


@dataclass(frozen=True, eq=False)
class Clips:
    """Clips (N, FRAMES, SIZE_PX, SIZE_PX, 1), and the index of the way they move (N,)."""

    pixels: Array
    ways: Integers


def clips(rng: np.random.Generator, count: int) -> Clips:
    """Random clips, all ways equally often."""
    ways = rng.permutation(np.arange(count) % len(WAYS))
    first = gaussian_filter(
        rng.standard_normal((count, SIZE_PX, SIZE_PX)), (0, 1.2, 1.2), mode="wrap"
    )
    first /= first.std(axis=(1, 2), keepdims=True)
    pixels = np.empty((count, FRAMES, SIZE_PX, SIZE_PX, 1), np.float32)
    for index, step in enumerate(WAYS.values()):
        for frame in range(FRAMES):
            shift = tuple(frame * s for s in step)
            pixels[ways == index, frame, ..., 0] = np.roll(first[ways == index], shift, axis=(1, 2))
    return Clips(pixels + np.float32(NOISE) * rng.standard_normal(pixels.shape, np.float32), ways)


def seen(data: Clips, how: str, rng: np.random.Generator) -> Array:
    """The clips as a network is to see them: whole, shuffled, or one frame all the time."""
    if how == SHUFFLED:
        return _shuffled(data.pixels, rng)
    if how == STILL:
        return np.repeat(data.pixels[:, :1], FRAMES, axis=1)
    return data.pixels


def _shuffled(pixels: Array, rng: np.random.Generator) -> Array:
    """The frames of each clip in an order of its own."""
    orders = np.argsort(rng.random(pixels.shape[:2]), axis=1)
    return np.take_along_axis(pixels, orders[:, :, None, None, None], axis=1)


def learn(
    how: str, data: Clips, test: Clips, recipe: Recipe, show: Show, seed: int
) -> Fitted[Sequential]:
    """A network that sees clips so, in training and in its test."""
    rng = np.random.default_rng((seed, 3))
    return fit(
        video(np.random.default_rng(seed), len(WAYS), channels_in=1, widths=(8, 16, 32)),
        Arrays(seen(data, how, rng), data.ways),
        recipe,
        validation=error_rate(seen(test, how, rng), test.ways),
        progress=show,
        seed=seed,
    )


def draw(fitted: dict[str, Fitted[Sequential]], test: Clips, path: Path) -> None:
    """A clip of each way, and the error by epoch of the three networks."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    halves: Any = figure.subfigures(1, 2, width_ratios=(1.5, 1))
    left, right = halves
    for row, (index, name) in zip(left.subplots(len(WAYS), FRAMES), enumerate(WAYS), strict=True):
        clip = test.pixels[np.flatnonzero(test.ways == index)[0], ..., 0]
        for axes, frame in zip(row, clip, strict=True):
            picture(axes, frame, cmap="gray", vmin=-2.5, vmax=2.5)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    left.suptitle("A clip of each kind, frame by frame", fontsize=11, x=0.02, ha="left")
    axes = right.subplots()
    colours = {MOVING: BLUE, SHUFFLED: RED, STILL: AMBER}
    for name, one in fitted.items():
        percent = errors(one)
        axes.plot(range(1, len(percent) + 1), percent, "o-", ms=3, color=colours[name], label=name)
    for level, text in ((75, "guessing one of four"), (50, "knowing the line, not the way")):
        axes.axhline(level, color=FAINT, lw=1, ls=":")
        axes.text(len(percent), level + 1.5, text, color=FAINT, fontsize=8, ha="right")
    axes.set_ylim(0, 85)
    plain(axes, "New clips misjudged, by what the network sees", "epoch", "%")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(0, 0.3))
    save(figure, path)


def main(arguments: list[str] | None = None) -> None:
    given = parsed(flags(__doc__), arguments)
    count, recipe = 2000, RECIPE
    if given.quick:
        count, recipe = 100, replace(RECIPE, epochs=1)
    data = clips(np.random.default_rng((given.seed, 1)), count)
    test = clips(np.random.default_rng((given.seed, 2)), count)
    with metered() as report:
        course = Course(report, dict.fromkeys((MOVING, SHUFFLED, STILL), 1.0))
        fitted = {
            how: learn(how, data, test, recipe, course.part(how), given.seed)
            for how in (MOVING, SHUFFLED, STILL)
        }
    for how, one in fitted.items():
        right = round((1 - errors(one)[-1] / 100) * len(test.ways))
        print(f"seeing {how}: {share(right, len(test.ways))} of {len(test.ways)} new clips right")
    draw(fitted, test, given.out / "video.png")


if __name__ == "__main__":
    run(main)

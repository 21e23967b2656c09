"""Plain against residual networks as depth grows: deeper plain ones train worse, not better.

After figure 6 of He et al. (2016): stacks of 3 x 3 convolutions with batch norm, the same with and
without skips, the same recipe for all. What counts is the loss on the training digits: a deeper
plain network could do at least as well by passing its input on, but is not found by descent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from cnn_core.fit import Epoch, fit
from cnn_core.layers import (
    BatchNorm,
    Conv2d,
    Dense,
    GlobalMeanPool,
    Identity,
    Layer,
    MeanPool,
    Relu,
    Sequential,
    Sum,
)
from cnn_core.measure import error_rate
from cnn_core.optim import Sgd
from cnn_core.recipes import Recipe
from cnn_core.schedules import Cosine
from examples.mnist import Digits, test_digits, training_digits
from examples.running import (
    BLUE,
    GREEN,
    RED,
    Course,
    Show,
    flags,
    metered,
    parsed,
    plain,
    run,
    save,
)

DEPTHS = (8, 20, 44)
COLOURS = (GREEN, BLUE, RED)
CHANNELS = 16
RECIPE = Recipe(
    batch=50, epochs=6, optimiser=Sgd(0.9, weight_decay=1e-4), schedule=Cosine(0.05, warmup=0.1)
)
DIGITS = 5000


@dataclass(frozen=True)
class Kind:
    """A network of `depth` layers with weights, with or without skips."""

    depth: int
    residual: bool

    @property
    def name(self) -> str:
        return f"{'residual' if self.residual else 'plain'}, {self.depth} layers"

    def net(self, rng: np.random.Generator) -> Sequential:
        """(N, 28, 28, 1) -> logits (N, 10); all blocks work on 7 x 7 places."""
        blocks = [layer for _ in range((self.depth - 2) // 2) for layer in self._block(rng)]
        return Sequential(
            (
                MeanPool.create(2, axes=2),
                *_conv(rng, 1, stride=2),
                Relu(),
                *blocks,
                GlobalMeanPool(),
                Dense.create(rng, CHANNELS, 10),
            )
        )

    def _block(self, rng: np.random.Generator) -> tuple[Layer, ...]:
        branch = (*_conv(rng, CHANNELS), Relu(), *_conv(rng, CHANNELS))
        if self.residual:
            return Sum((Identity(), Sequential(branch))), Relu()
        return (*branch, Relu())


def _conv(rng: np.random.Generator, channels_in: int, stride: int = 1) -> tuple[Layer, ...]:
    conv = Conv2d.create(rng, channels_in, CHANNELS, 3, stride=stride, padding="same", bias=False)
    return conv, BatchNorm.create(CHANNELS)


@dataclass(frozen=True)
class Trained:
    """How a network's training went, and the share of test digits that it misreads."""

    history: tuple[Epoch, ...]
    error: float


def learn(
    kind: Kind, digits: Digits, test: Digits, recipe: Recipe, show: Show, seed: int
) -> Trained:
    """Train one network."""
    net = kind.net(np.random.default_rng(seed))
    fitted = fit(net, digits.examples(), recipe, progress=show, seed=seed)
    return Trained(fitted.history, error_rate(test.pictures, test.labels)(fitted.net))


def draw(found: dict[Kind, Trained], path: Path) -> None:
    """Training loss by epoch, plain at the left, residual at the right."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, residual in zip(figure.subplots(1, 2, sharey=True), (False, True), strict=True):
        for depth, colour in zip(DEPTHS, COLOURS, strict=True):
            history = found[Kind(depth, residual)].history
            losses = [epoch.loss for epoch in history]
            axes.semilogy(range(1, len(losses) + 1), losses, "o-", ms=3, color=colour)
            axes.text(len(losses) + 0.1, losses[-1], f"{depth} layers", color=colour, va="center")
        plain(axes, "Residual" if residual else "Plain", "epoch", "training loss, nats")
        axes.set_xlim(0.8, len(losses) * 1.22)
    save(figure, path)


def main(arguments: list[str] | None = None) -> None:
    given = parsed(flags(__doc__), arguments)
    digits, test, recipe = training_digits().part(slice(0, DIGITS)), test_digits(), RECIPE
    if given.quick:
        digits, test = digits.part(slice(0, 50)), test.part(slice(0, 50))
        recipe = replace(RECIPE, epochs=1)
    kinds = [Kind(depth, residual) for depth in DEPTHS for residual in (False, True)]
    with metered() as report:
        course = Course(report, {kind.name: float(kind.depth) for kind in kinds})
        found = {
            kind: learn(kind, digits, test, recipe, course.part(kind.name), given.seed)
            for kind in kinds
        }
    for kind, trained in found.items():
        loss = trained.history[-1].loss
        print(f"{kind.name}: training loss {loss:.3f}, test digits misread {trained.error:.2%}")
    draw(found, given.out / "depth.png")


if __name__ == "__main__":
    run(main)

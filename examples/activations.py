"""ReLU against tanh in speed of learning: two networks with one and the other, on digits.

After figure 1 of Krizhevsky et al. (2012): the same network, no regularisation, and for each unit
the learning rate with which it learns fastest. What counts is how many steps it takes to a given
training loss.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, product
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnn_core import fit
from cnn_core.arrays import Array
from cnn_core.errors import TrainingError
from cnn_core.init import Initialiser, glorot, he
from cnn_core.layers import (
    Conv2d,
    Dense,
    Flatten,
    Layer,
    MeanPool,
    Relu,
    Sequential,
    Tanh,
)
from cnn_core.networks import lenet5
from cnn_core.optim import Sgd
from cnn_core.recipes import Recipe
from cnn_core.schedules import Constant
from examples.mnist import Digits, training_digits
from examples.running import (
    AMBER,
    BLUE,
    FAINT,
    Course,
    Show,
    flags,
    mark,
    metered,
    parsed,
    plain,
    run,
    save,
)

UNITS: dict[str, tuple[Layer, Initialiser]] = {"ReLU": (Relu(), he), "tanh": (Tanh(), glorot)}
"""Each begins with the weights made for it."""
CHANNELS, LAYERS = 16, 6
COLOURS = {"ReLU": BLUE, "tanh": AMBER}
RATES = (0.01, 0.02, 0.05, 0.1, 0.2)
SEEDS = 2
RECIPE = Recipe(batch=100, epochs=6, optimiser=Sgd(0.9), schedule=Constant(RATES[0]))
WANTED = 0.1
"""The training loss, in nats, that counts as learnt."""
SMOOTHED = 30
"""Batches whose mean is taken for the loss at a step."""


def lenet(rng: np.random.Generator, unit: Layer, initialiser: Initialiser) -> Sequential:
    """LeNet-5: (N, 28, 28, 1) -> logits (N, 10)."""
    return lenet5(rng, padding=2, activation=unit, initialiser=initialiser)


def stack(rng: np.random.Generator, unit: Layer, initialiser: Initialiser) -> Sequential:
    """3 x 3 convolutions over 7 x 7 places, not normalised: (N, 28, 28, 1) -> logits (N, 10)."""
    conv = partial(Conv2d.create, rng, padding="same", initialiser=initialiser)
    first = (MeanPool.create(2, axes=2), conv(1, CHANNELS, 3, stride=2), unit)
    rest = [(conv(CHANNELS, CHANNELS, 3), unit) for _ in range(LAYERS - 1)]
    last = (Flatten(), Dense.create(rng, 49 * CHANNELS, 10, initialiser=initialiser))
    return Sequential((*first, *chain.from_iterable(rest), *last))


NETS = {"LeNet-5": lenet, f"{LAYERS} convolutions": stack}


@dataclass(frozen=True)
class Trial:
    """One network with one unit and one learning rate from one seed."""

    net: str
    unit: str
    rate: float
    seed: int

    @property
    def name(self) -> str:
        return f"{self.net}, {self.unit}, rate {self.rate:g}, seed {self.seed}"


def learn(trial: Trial, digits: Digits, recipe: Recipe, show: Show) -> Array:
    """The loss of every batch (steps,); infinite from where the training broke down."""
    net = NETS[trial.net](np.random.default_rng(trial.seed), *UNITS[trial.unit])
    losses: list[float] = []

    def note(at: fit.Progress) -> None:
        losses.append(at.loss)
        show(at)

    steady = replace(recipe, schedule=Constant(trial.rate))
    try:
        fit.fit(net, digits.examples(), steady, progress=note, seed=trial.seed)
    except TrainingError:
        steps = recipe.epochs * (len(digits) // recipe.batch)
        losses += [float("inf")] * (steps - len(losses))
    return np.array(losses)


def smoothed(losses: Array) -> Array:
    """Means over the last SMOOTHED batches."""
    windows = np.lib.stride_tricks.sliding_window_view(losses, min(SMOOTHED, len(losses)))
    means: Array = windows.mean(axis=1)
    return means


def steps_to(losses: Array, wanted: float) -> float:
    """Steps until the smoothed loss is as low as wanted; infinite where it never is."""
    low = np.flatnonzero(smoothed(losses) <= wanted)
    return float(low[0] + min(SMOOTHED, len(losses))) if len(low) else float("inf")


Found = dict[Trial, Array]


def mean_steps(found: Found, net: str, unit: str, rate: float) -> float:
    """Steps that a network needs, the mean over the seeds."""
    losses = [x for t, x in found.items() if (t.net, t.unit, t.rate) == (net, unit, rate)]
    return float(np.mean([steps_to(x, WANTED) for x in losses]))


def best_rate(found: Found, net: str, unit: str) -> float:
    """The rate with which a network learns fastest."""
    return min(RATES, key=lambda rate: mean_steps(found, net, unit, rate))


def told(steps: float, rate: float) -> str:
    """A unit's best rate and what it came to, in words."""
    if np.isinf(steps):
        return f"never at a loss of {WANTED:g}, at any rate"
    return f"{steps:.0f} steps to a loss of {WANTED:g}, at its best rate {rate:g}"


def draw(found: Found, path: Path) -> None:
    """A row for each network: loss by step at each unit's best rate, and steps by rate."""
    figure = Figure(figsize=(10, 6.6), layout="constrained")
    for row, net in zip(figure.subplots(2, 2, width_ratios=(1.3, 1)), NETS, strict=True):
        _curves(row[0], found, net)
        _rates(row[1], found, net)
    save(figure, path)


def _curves(axes: Axes, found: Found, net: str) -> None:
    best = {unit: best_rate(found, net, unit) for unit in UNITS}
    for trial, losses in found.items():
        if trial.net == net and trial.rate == best[trial.unit]:
            label = f"{trial.unit}, rate {trial.rate:g}" if trial.seed == 0 else None
            curve = smoothed(losses)
            first = len(losses) - len(curve) + 1
            steps = range(first, first + len(curve))
            colour = COLOURS[trial.unit]
            axes.semilogy(steps, curve, marker=mark(curve), color=colour, label=label)
    axes.axhline(WANTED, color=FAINT, lw=1, ls=":")
    plain(axes, f"{net}: each unit at its best rate", "step", "training loss, nats")
    axes.legend(frameon=False)


def _rates(axes: Axes, found: Found, net: str) -> None:
    for unit, colour in COLOURS.items():
        steps = [mean_steps(found, net, unit, rate) for rate in RATES]
        axes.semilogx(RATES, steps, "o-", color=colour, label=unit)
    plain(axes, f"Steps to a loss of {WANTED:g}; no dot: never", "learning rate", "steps")
    axes.set_xticks(RATES, [f"{rate:g}" for rate in RATES])
    axes.minorticks_off()
    axes.set_xlim(0.8 * min(RATES), 1.25 * max(RATES))
    axes.set_ylim(bottom=0)


def main(arguments: list[str] | None = None) -> None:
    given = parsed(flags(__doc__), arguments)
    digits, recipe, seeds = training_digits(), RECIPE, range(SEEDS)
    if given.quick:
        digits, recipe, seeds = digits.part(slice(0, 200)), replace(RECIPE, epochs=1), range(1)
    trials = [Trial(*each) for each in product(NETS, UNITS, RATES, seeds)]
    with metered() as report:
        course = Course(report, {trial.name: 1.0 for trial in trials})
        found = {trial: learn(trial, digits, recipe, course.part(trial.name)) for trial in trials}
    for net, unit in product(NETS, UNITS):
        rate = best_rate(found, net, unit)
        print(f"{net}, {unit}: {told(mean_steps(found, net, unit, rate), rate)}")
    draw(found, given.out / "activations.png")


if __name__ == "__main__":
    run(main)

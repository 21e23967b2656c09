"""ReLU against tanh in speed of learning: LeNet-5 with one and the other, on digits.

After figure 1 of Krizhevsky et al. (2012): the same network, no regularisation, and for each unit
the learning rate with which it learns fastest. What counts is how many steps it takes to a given
training loss.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from cnn_core import fit
from cnn_core.arrays import Array
from cnn_core.errors import TrainingError
from cnn_core.init import Initialiser, glorot, he
from cnn_core.layers import Layer, Relu, Tanh
from cnn_core.networks import lenet5
from cnn_core.optim import Sgd
from cnn_core.recipes import Recipe
from cnn_core.schedules import Constant
from examples.mnist import Digits, training_digits
from examples.running import AMBER, BLUE, FAINT, Course, flags, metered, parsed, plain, run, save

UNITS: dict[str, tuple[Layer, Initialiser]] = {"ReLU": (Relu(), he), "tanh": (Tanh(), glorot)}
"""Each begins with the weights made for it."""
COLOURS = {"ReLU": BLUE, "tanh": AMBER}
RATES = (0.01, 0.02, 0.05, 0.1, 0.2)
SEEDS = 2
RECIPE = Recipe(batch=100, epochs=4, optimiser=Sgd(0.9), schedule=Constant(RATES[0]))
WANTED = 0.1
"""The training loss, in nats, that counts as learnt."""
SMOOTHED = 30
"""Batches whose mean is taken for the loss at a step."""


@dataclass(frozen=True)
class Trial:
    """One unit with one learning rate from one seed."""

    unit: str
    rate: float
    seed: int

    @property
    def name(self) -> str:
        return f"{self.unit}, rate {self.rate:g}, seed {self.seed}"


def learn(trial: Trial, digits: Digits, recipe: Recipe, course: Course) -> Array:
    """The loss of every batch (steps,); infinite from where the training broke down."""
    unit, initialiser = UNITS[trial.unit]
    net = lenet5(
        np.random.default_rng(trial.seed), padding=2, activation=unit, initialiser=initialiser
    )
    losses: list[float] = []
    show = course.part(trial.name)

    def note(at: fit.Progress) -> None:
        losses.append(at.loss)
        show(at)

    slow = replace(recipe, schedule=Constant(trial.rate))
    try:
        fit.fit(net, digits.examples(), slow, progress=note, seed=trial.seed)
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


def mean_steps(found: dict[Trial, Array]) -> dict[tuple[str, float], float]:
    """Mean steps over the seeds, by unit and rate."""
    keys = dict.fromkeys((trial.unit, trial.rate) for trial in found)
    return {
        key: float(
            np.mean([steps_to(x, WANTED) for t, x in found.items() if (t.unit, t.rate) == key])
        )
        for key in keys
    }


def draw(found: dict[Trial, Array], best: dict[str, float], path: Path) -> None:
    """Loss by step at each unit's best rate, and steps needed by rate."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    curves, rates = figure.subplots(1, 2, width_ratios=(1.3, 1))
    for trial, losses in found.items():
        if best[trial.unit] == trial.rate:
            label = f"{trial.unit}, rate {trial.rate:g}" if trial.seed == 0 else None
            curve = smoothed(losses)
            first = len(losses) - len(curve) + 1
            curves.semilogy(
                range(first, first + len(curve)), curve, color=COLOURS[trial.unit], label=label
            )
    curves.axhline(WANTED, color=FAINT, lw=1, ls=":")
    plain(curves, "Each at its best rate, a line a seed", "step", "training loss, nats")
    curves.legend(frameon=False)
    steps = mean_steps(found)
    for unit, colour in COLOURS.items():
        points = [(rate, n) for (name, rate), n in steps.items() if name == unit]
        rates.semilogx(*zip(*points, strict=True), "o-", color=colour, label=unit)
    plain(rates, f"Steps to a loss of {WANTED:g}; no dot: never", "learning rate", "steps")
    rates.set_xticks(RATES, [f"{rate:g}" for rate in RATES])
    rates.minorticks_off()
    rates.set_ylim(bottom=0)
    save(figure, path)


def main(arguments: list[str] | None = None) -> None:
    given = parsed(flags(__doc__), arguments)
    digits, recipe, seeds = training_digits(), RECIPE, SEEDS
    if given.quick:
        digits, recipe, seeds = digits.part(slice(0, 200)), replace(RECIPE, epochs=1), 1
    trials = [Trial(unit, rate, seed) for unit in UNITS for rate in RATES for seed in range(seeds)]
    with metered() as report:
        course = Course(report, {trial.name: 1.0 for trial in trials})
        found = {trial: learn(trial, digits, recipe, course) for trial in trials}
    steps = mean_steps(found)
    best = {unit: min((steps[unit, rate], rate) for rate in RATES)[1] for unit in UNITS}
    for unit, rate in best.items():
        print(f"{unit}: {steps[unit, rate]:.0f} steps to a loss of {WANTED:g}, rate {rate:g}")
    print(f"tanh / ReLU: {steps['tanh', best['tanh']] / steps['ReLU', best['ReLU']]:.2f}")
    draw(found, best, given.out / "activations.png")


if __name__ == "__main__":
    run(main)

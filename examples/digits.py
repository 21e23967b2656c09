"""LeNet-5 learns handwritten digits: 10,000 to learn from, under 10 minutes on two cores.

Settings were chosen on 2,000 digits kept from the training digits (`--validate` does that run);
the figures of the test digits come from one run with them on all 10,000.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.special import softmax

from cnn_core import modelfile
from cnn_core.arrays import Array
from cnn_core.augment import Augmentation
from cnn_core.fit import Fitted, fit
from cnn_core.layers import Relu, Sequential
from cnn_core.measure import error_rate, predict
from cnn_core.networks import lenet5
from cnn_core.optim import AdamW
from cnn_core.recipes import Recipe
from cnn_core.schedules import Cosine
from examples.mnist import TEST, VALIDATION, Digits, test_digits, training_digits
from examples.running import (
    BLUE,
    Course,
    flags,
    mark,
    metered,
    parsed,
    picture,
    plain,
    run,
    save,
    share,
)

RECIPE = Recipe(
    batch=64,
    epochs=100,
    optimiser=AdamW(weight_decay=0.02),
    schedule=Cosine(2e-3, warmup=0.01),
    average=0.999,
)
AUGMENTATION = Augmentation(turn_deg=15, shift_px=2, rescale=1.15, shear_deg=15, stretch=1.15)
"""The lectures' kinds, scaled to digits; no flips, as few digits mean the same in a mirror."""
SHARDS = 2
"""Each batch is cut in two whatever the machine, so that its bits do not depend on the cores."""
MODEL = "digits.safetensors"
SHOWN = 54
"""Misread digits that the picture has room for."""


def new_net(seed: int) -> Sequential:
    """LeNet-5 for digits of 28 x 28 with ReLUs: (N, 28, 28, 1) -> logits (N, 10)."""
    return lenet5(np.random.default_rng(seed), padding=2, activation=Relu())


def learn(
    digits: Digits, kept: Digits | None, out: Path, recipe: Recipe, seed: int
) -> Fitted[Sequential]:
    """Train on `digits`, from the checkpoint in `out` where there is one."""
    validation = None if kept is None else error_rate(kept.pictures, kept.labels)
    name = "digits" if kept is None else "digits-validated"
    with metered() as report:
        return fit(
            new_net(seed),
            digits.examples(AUGMENTATION),
            recipe,
            validation=validation,
            progress=Course(report, {"LeNet-5": 1.0}).part("LeNet-5"),
            checkpoint=out / f"{name}-{recipe.epochs}-epochs-seed-{seed}.checkpoint",
            seed=seed,
            shards=SHARDS,
        )


def task(epochs: int, quick: bool) -> tuple[Digits, Recipe]:
    """What is learnt from, and how."""
    if quick:
        return training_digits().part(slice(0, 512)), replace(RECIPE, epochs=1)
    return training_digits(), replace(RECIPE, epochs=epochs)


def trained(given: argparse.Namespace) -> Sequential:
    """The network of this example; trained first where `given.out` holds none."""
    path = given.out / MODEL
    if not path.exists():
        print(f"no {path.name} yet: training it, as python examples/digits.py does")
        digits, recipe = task(RECIPE.epochs, given.quick)
        fitted = learn(digits, None, given.out, recipe, given.seed)
        modelfile.save(path, fitted.net, {"seed": given.seed, "epochs": recipe.epochs})
    net = modelfile.load(path).net
    assert isinstance(net, Sequential)
    return net


def draw(
    fitted: Fitted[Sequential], digits: Digits, test: Digits, logits: Array, path: Path
) -> None:
    """Loss by epoch, views of one digit as the network sees them, and what it still misreads."""
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    halves: Any = figure.subfigures(1, 2, width_ratios=(1, 1.5))
    left, right = halves
    curve, views = left.subfigures(2, 1, height_ratios=(1.2, 1))
    axes = curve.subplots()
    losses = [epoch.loss for epoch in fitted.history]
    axes.semilogy(range(1, len(losses) + 1), losses, marker=mark(losses), color=BLUE)
    plain(axes, "Cross-entropy of the augmented batches", "epoch", "nats")
    seen = AUGMENTATION(digits.pictures[[4] * 24], np.random.default_rng(0))
    for place, pixels in zip(views.subplots(3, 8).flat, seen, strict=True):
        picture(place, pixels[..., 0], vmin=0, vmax=1)
    views.suptitle("One digit as 24 batches show it", fontsize=11, x=0.02, ha="left")
    read = logits.argmax(axis=1)
    wrong = np.flatnonzero(read != test.labels)
    sure = softmax(logits[wrong], axis=1).max(axis=1)
    chosen = wrong[np.argsort(sure)[::-1]][:SHOWN]
    places = right.subplots(6, 9).flat
    for row, place in zip(chosen, places, strict=False):
        title = f"{test.labels[row]} as {read[row]}"
        picture(place, test.pictures[row, ..., 0], title, vmin=0, vmax=1)
    for place in places:
        place.set_axis_off()
    right.suptitle(
        f"The {len(chosen)} surest of {len(wrong)} misread test digits",
        fontsize=11,
        x=0.02,
        ha="left",
    )
    save(figure, path)


def main(arguments: list[str] | None = None) -> None:
    parser = flags(__doc__)
    parser.add_argument("--epochs", type=int, default=RECIPE.epochs)
    parser.add_argument(
        "--validate",
        action="store_true",
        help=f"learn without {VALIDATION} digits and measure on those; the test digits stay unread",
    )
    given = parsed(parser, arguments)
    digits, recipe = task(given.epochs, given.quick)
    if given.validate:
        validate(given, digits, recipe)
    else:
        test(given, digits, recipe)


def validate(given: argparse.Namespace, digits: Digits, recipe: Recipe) -> None:
    """The run that settings are chosen by."""
    kept = min(VALIDATION, len(digits) // 2)
    train, held = digits.part(slice(0, -kept)), digits.part(slice(-kept, None))
    fitted = learn(train, held, given.out, recipe, given.seed)
    right = round((1 - error_rate(held.pictures, held.labels)(fitted.net)) * kept)
    print(f"validation: {share(right, kept)} of {kept} kept digits right")


def test(given: argparse.Namespace, digits: Digits, recipe: Recipe) -> None:
    """The run whose figure counts."""
    start_s = time.monotonic()
    fitted = learn(digits, None, given.out, recipe, given.seed)
    spent_s = time.monotonic() - start_s
    examined = test_digits().part(slice(0, 500 if given.quick else TEST))
    logits = predict(fitted.net, examined.pictures)
    right = int((logits.argmax(axis=1) == examined.labels).sum())
    modelfile.save(given.out / MODEL, fitted.net, {"seed": given.seed, "epochs": recipe.epochs})
    print(f"test: {share(right, len(examined))} of {len(examined)} digits right, 95 % interval")
    print(f"learnt from {len(digits)} digits, {recipe.epochs} epochs; this call: {spent_s:.0f} s")
    draw(fitted, digits, examined, logits, given.out / "digits.png")


if __name__ == "__main__":
    run(main, resumes=True)

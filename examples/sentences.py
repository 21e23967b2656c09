"""A sentence classifier learns what "not" belongs to, which the words alone cannot tell.

Every sentence praises with one word, blames with another and denies one of the two: "not dull and
rather witty" praises, "not witty and rather dull" blames. Both kinds hold the same words equally
often, so a network that sees single words has nothing to go by; one that sees regions of two to
four words has. Sentences come from a seeded generator.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnn_core.arrays import Array, Integers
from cnn_core.batches import Arrays
from cnn_core.explain import occlusion_map
from cnn_core.fit import Fitted, fit
from cnn_core.layers import Sequential
from cnn_core.measure import error_rate
from cnn_core.networks import sentence_classifier
from cnn_core.optim import Adam
from cnn_core.recipes import Recipe
from cnn_core.schedules import Cosine
from examples.running import (
    AMBER,
    BLUE,
    FAINT,
    INK,
    Course,
    Show,
    errors,
    flags,
    metered,
    parsed,
    plain,
    run,
    save,
    share,
)

PRAISE = ("witty", "warm", "bright", "clever", "moving", "charming", "subtle", "fresh")
BLAME = ("dull", "slow", "cold", "flat", "weak", "loud", "long", "stale")
DENIAL = "not"
BETWEEN = ("very", "too", "really", "so")
"""What may stand before a word, denied or not."""
OTHER = (
    "the", "film", "is", "and", "its", "plot", "a", "story", "with", "music", "scenes", "rather",
    "an", "ending", "in", "parts", "quite", "actors", "dialogue", "of", "first", "half", "but",
    "also", "while", "this", "as", "some", "seem", "feels",
)  # fmt: skip
WORDS = ("", *PRAISE, *BLAME, DENIAL, *BETWEEN, *OTHER)
"""The vocabulary; word 0 fills up short sentences."""
LENGTH = 16

LETTER = 1.0
"""Width of a letter in the picture, in hundredths of its right half."""

REGIONS = {"regions of 2, 3 and 4 words": (2, 3, 4), "single words": (1,)}
RECIPE = Recipe(batch=50, epochs=12, optimiser=Adam(), schedule=Cosine(3e-3, warmup=0.05))


@dataclass(frozen=True, eq=False)
class Sentences:
    """Word numbers (N, LENGTH), and 1 where the sentence praises (N,)."""

    words: Array
    praises: Integers


def sentences(rng: np.random.Generator, count: int) -> Sentences:
    """Random sentences of 8 to 16 words, half of them praising."""
    praises = rng.permutation(np.arange(count) % 2)
    rows = [_sentence(rng, bool(praise)) for praise in praises]
    return Sentences(np.array(rows), praises)


def _sentence(rng: np.random.Generator, praises: bool) -> list[int]:
    good, bad = rng.choice(PRAISE), rng.choice(BLAME)
    denied, said = (bad, good) if praises else (good, bad)
    phrases = [[DENIAL, *_between(rng), denied], [*_between(rng), said]]
    rng.shuffle(phrases)
    length = int(rng.integers(8, LENGTH + 1))
    room = length - sum(map(len, phrases))
    first, second = sorted(rng.integers(0, room + 1, 2))
    fill = [str(word) for word in rng.choice(OTHER, room)]
    words = [*fill[:first], *phrases[0], *fill[first:second], *phrases[1], *fill[second:]]
    return [WORDS.index(word) for word in words] + [0] * (LENGTH - length)


def _between(rng: np.random.Generator) -> list[str]:
    return [str(rng.choice(BETWEEN))] if rng.random() < 0.5 else []


def learn(
    regions: tuple[int, ...],
    data: Sentences,
    test: Sentences,
    recipe: Recipe,
    show: Show,
    seed: int,
) -> Fitted[Sequential]:
    """A small classifier with these region sizes."""
    net = sentence_classifier(
        np.random.default_rng(seed), len(WORDS), channels=16, regions=regions, filters=16
    )
    return fit(
        net,
        Arrays(data.words, data.praises),
        recipe,
        validation=error_rate(test.words, test.praises),
        progress=show,
        seed=seed,
    )


def weight_of_words(net: Sequential, words: Array) -> Array:
    """How far the verdict leans on each word: (N, LENGTH).

    The fall of (praise - blame) with the word's vector covered, after the embedding.
    """
    embedding, rest = net.layers[0], Sequential(net.layers[1:])
    vectors = embedding.forward(words)
    praise, blame = (occlusion_map(rest, vectors, label, size=1) for label in (1, 0))
    return praise - blame


def draw(fitted: dict[str, Fitted[Sequential]], test: Sentences, path: Path) -> None:
    """Error by epoch of both networks, and what the verdict on some sentences leans on."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    curve, text = figure.subplots(1, 2, width_ratios=(1, 1.9))
    for (name, one), colour in zip(fitted.items(), (BLUE, AMBER), strict=True):
        percent = errors(one)
        curve.plot(range(1, len(percent) + 1), percent, "o-", ms=3, color=colour, label=name)
    curve.axhline(50, color=FAINT, lw=1, ls=":")
    curve.set_ylim(0, 60)
    plain(curve, "New sentences misjudged", "epoch", "%")
    curve.legend(frameon=False, loc="center right")
    best = next(iter(fitted.values())).net
    chosen = test.words[:8]
    verdicts = best.forward(chosen).argmax(axis=1)
    _sentences(text, chosen, weight_of_words(best, chosen), verdicts)
    save(figure, path)


def _sentences(axes: Axes, words: Array, weights: Array, verdicts: Integers) -> None:
    """A line for each sentence; blue words speak for praise, amber ones for blame."""
    plain(axes, "What the verdict leans on: blue speaks for praise, amber for blame")
    axes.set_axis_off()
    axes.set_xlim(0, 100)
    axes.set_ylim(len(words) - 0.4, -0.6)
    limit = np.abs(weights).max()
    for line, (row, weight, verdict) in enumerate(zip(words, weights, verdicts, strict=True)):
        mark, colour = ("praise", BLUE) if verdict else ("blame", AMBER)
        axes.text(0, line, mark, color=colour, fontsize=8.5, weight="bold", va="center")
        x = 8.5
        for word, lean in zip(row, weight, strict=True):
            if word == 0:
                continue
            strength = min(1.0, abs(float(lean)) / limit)
            box = {
                "facecolor": BLUE if lean > 0 else AMBER,
                "alpha": 0.65 * strength, "edgecolor": "none", "pad": 1.5,
            }  # fmt: skip
            place: dict[str, Any] = {"fontsize": 8, "family": "monospace", "va": "center"}
            axes.text(x, line, WORDS[word], color=INK, bbox=box, **place)
            x += LETTER * (len(WORDS[word]) + 1)


def main(arguments: list[str] | None = None) -> None:
    given = parsed(flags(__doc__), arguments)
    count, recipe = (4000, RECIPE)
    if given.quick:
        count, recipe = 200, replace(RECIPE, epochs=1)
    data = sentences(np.random.default_rng((given.seed, 1)), count)
    test = sentences(np.random.default_rng((given.seed, 2)), count // 2)
    with metered() as report:
        course = Course(report, dict.fromkeys(REGIONS, 1.0))
        fitted = {
            name: learn(regions, data, test, recipe, course.part(name), given.seed)
            for name, regions in REGIONS.items()
        }
    for name, one in fitted.items():
        right = round((1 - errors(one)[-1] / 100) * len(test.words))
        print(f"{name}: {share(right, len(test.words))} of {len(test.words)} new sentences right")
    print("the words alone, order unknown: 50 % by the way the sentences are made")
    draw(fitted, test, given.out / "sentences.png")


if __name__ == "__main__":
    run(main)

"""A spoken word, learnt from recordings that only say whether it was said: no times are given.

The frozen phone trunk of the shipped model hears 5 to 10 s of continuous speech with one word set
in somewhere; a small head is swept over its outputs, aggregated, and trained on the one bit
whether that word was "computer" (`words_in_speech.py` tells how they are made). Where the word
truly is was kept back: it measures the places told, and the median of validation says where in
its window the head hears a word.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import expit

import sweepnet_service
from cnn_core.aggregate import LogSumExp
from cnn_core.arrays import Array
from cnn_core.fit import Fitted, fit
from cnn_core.geometry import Window
from cnn_core.layers import Conv1d, Dropout, Relu, Sequential
from cnn_core.losses import binary_cross_entropy
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
from examples.words_in_speech import WORD, Heard, Made, hear, made
from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.detectors.keyword.assembly import taken_apart
from sweepnet_service.detectors.keyword.dataset import RATE_HZ
from sweepnet_service.progress import Report

MODEL = Path(sweepnet_service.__file__).parent / "models" / "welcome.safetensors"
COUNTS = {"train": 1600, "validation": 300, "test": 500}
DATA = Path(os.environ.get("SWEEPNET_DATA", "../shared/data"))
TOLERANCE_S = 0.3
RECIPE = Recipe(
    batch=32,
    epochs=24,
    optimiser=AdamW(weight_decay=0.05),
    schedule=Cosine(1.5e-3, warmup=0.05),
    clip=5.0,
)


def new_head(rng: np.random.Generator, channels: int) -> Sequential:
    """17 steps wide, about half a second of trunk outputs: (N, T, C) -> log odds (N, T - 16, 1)."""
    return Sequential((
        Conv1d.create(rng, channels, 48, 1), Relu(), Dropout(0.1),
        Conv1d.create(rng, 48, 48, 9), Relu(), Dropout(0.1),
        Conv1d.create(rng, 48, 48, 9), Relu(), Conv1d.create(rng, 48, 1, 1),
    ))  # fmt: skip


@dataclass(frozen=True, eq=False)
class Answers:
    """For each recording: its log odds (N,), the first second of its best window, all scores."""

    odds: Array
    first_s: Array
    scores: tuple[Array, ...]


def answers(net: Swept, heard: Heard, window: Window) -> Answers:
    """What the trained network says of whole recordings, and where it would point."""
    odds, first_s, scores = [], [], []
    for n in range(len(heard)):
        one = heard.activations[n : n + 1, : heard.lengths[n]].astype(np.float32)
        logits = net.net.forward(one)
        odds.append(float(net.aggregate.forward(logits)[0, 0]))
        scores.append(expit(logits[0, :, 0]))
        first_s.append(float(window.span(int(logits[0, :, 0].argmax()))[0]) / RATE_HZ)
    return Answers(np.array(odds), np.array(first_s), tuple(scores))


def best_threshold(odds: Array, holds: Array) -> float:
    """The log odds that divide the recordings with the fewest errors."""
    candidates = np.sort(odds)
    middles = (candidates[1:] + candidates[:-1]) / 2
    wrong = [((odds > t) != (holds > 0)).sum() for t in middles]
    least = np.flatnonzero(np.array(wrong) == min(wrong))
    return float(middles[least[len(least) // 2]])


def placement(told: Answers, heard: Heard, threshold: float) -> Array:
    """Where the word lies after the start of the best window, (start, end): medians."""
    found = (heard.holds > 0) & (told.odds > threshold)
    found = found if found.any() else heard.holds > 0
    return np.asarray(np.median(heard.spans_s[found] - told.first_s[found, None], axis=0))


@dataclass(frozen=True, eq=False)
class Result:
    """What the test recordings came to; `errors_s` (found, 2): start and end, told minus true."""

    threshold: float
    missed: int
    alarms: int
    held: int
    free: int
    errors_s: Array
    near: int
    odds: Array
    holds: Array


def examined(told: Answers, heard: Heard, threshold: float, place: Array) -> Result:
    """Misses and false alarms of recordings, and how far off the words told are."""
    holds, found = heard.holds > 0, told.odds > threshold
    hit = holds & found
    errors = told.first_s[hit, None] + place - heard.spans_s[hit]
    near = int((np.abs(errors.mean(axis=1)) <= TOLERANCE_S).sum())
    missed, alarms = int((holds & ~found).sum()), int((~holds & found).sum())
    held, free = int(holds.sum()), int((~holds).sum())
    return Result(threshold, missed, alarms, held, free, errors, near, told.odds, heard.holds)


def tell(result: Result, window_s: float) -> None:
    """The figures, with 95 % intervals; the last line is JSON."""
    print(f"missed: {share(result.missed, result.held)} of {result.held} test recordings with it")
    print(f"false alarms: {share(result.alarms, result.free)} of {result.free} without it")
    if not len(result.errors_s):
        print("no word found: there is no place to measure")
        return
    middle = np.abs(result.errors_s.mean(axis=1))
    start, end = np.abs(result.errors_s).T
    print(
        f"the middle of the word within {TOLERANCE_S} s: {share(result.near, len(middle))} of "
        f"{len(middle)} found; the window is {window_s:.2f} s wide"
    )
    quantiles = {
        name: [round(float(np.percentile(values, q)), 3) for q in (50, 90)]
        for name, values in (("middle", middle), ("start", start), ("end", end))
    }
    for name, (half, most) in quantiles.items():
        print(f"error of the {name}: {half:.2f} s in the middle of all, 90 % below {most:.2f} s")
    told = {"missed": result.missed, "held": result.held, "false_alarms": result.alarms}
    print(json.dumps({"example": "weak_words", **told, "free": result.free, "errors_s": quantiles}))


def draw(
    recordings: list[Made],
    told: Answers,
    result: Result,
    place: Array,
    window: Window,
    features: Callable[[Array], Array],
    path: Path,
) -> None:
    """Two test recordings with spectrum and scores; misses against alarms; how far off."""
    figure = Figure(figsize=(13, 6.2), layout="constrained")
    halves: Any = figure.subfigures(1, 2, width_ratios=(2.2, 1))
    left, right = halves
    lines = left.subplots(4, 1, height_ratios=(1.2, 1, 1.2, 1))
    ordinary = [_ordinary(recordings, told, holds) for holds in (True, False)]
    for n, at in enumerate(ordinary):
        _recording(lines[2 * n], recordings[at], features)
        _scores(lines[2 * n + 1], recordings[at], told, at, result, place, window)
    curve, histogram = right.subplots(2, 1)
    _trade(curve, result)
    middle = np.abs(result.errors_s.mean(axis=1))
    histogram.hist(np.minimum(middle, 1.0), bins=np.arange(0, 1.06, 0.05), color=BLUE)
    histogram.axvline(TOLERANCE_S, color=INK, lw=0.8, ls=":")
    plain(histogram, "Error of the word's middle", "seconds (1: or more)", "found words")
    save(figure, path)


def _ordinary(recordings: list[Made], told: Answers, holds: bool) -> int:
    """The recording whose answer is the median of its kind: neither the best nor the worst."""
    kind = np.flatnonzero([recording.holds == holds for recording in recordings])
    return int(kind[np.argsort(told.odds[kind])[len(kind) // 2]])


def _recording(axes: Axes, one: Made, features: Callable[[Array], Array]) -> None:
    """The log-mel frames; the span of what was set in above them."""
    frames = features(one.samples)
    seconds = len(one.samples) / RATE_HZ
    axes.imshow(frames.T, origin="lower", aspect="auto", cmap="magma",
                extent=(0, seconds, 0, frames.shape[1]))  # fmt: skip
    start_s, end_s = one.span_s
    colour = GREEN if one.holds else RED
    axes.plot([start_s, end_s], [0.95, 0.95], color=colour, lw=5, solid_capstyle="butt",
              transform=axes.get_xaxis_transform(), clip_on=False)  # fmt: skip
    plain(axes, f'A test recording with "{one.clip}" set in', "", "mel band")
    axes.set_xticklabels([])


def _scores(axes: Axes, one: Made, told: Answers, at: int, result: Result, place: Array,
            window: Window) -> None:  # fmt: skip
    """The score of every window, drawn where it hears a word; what is told and what is true."""
    scores = told.scores[at]
    times = np.array([float(window.span(i)[0]) for i in range(len(scores))]) / RATE_HZ
    axes.plot(times + place.mean(), scores, color=BLUE)
    axes.axvspan(*one.span_s, color=GREEN if one.holds else RED, alpha=0.2, lw=0)
    if told.odds[at] > result.threshold:
        for edge_s in told.first_s[at] + place:
            axes.axvline(edge_s, color=BLUE, ls="--")
    axes.set_xlim(0, len(one.samples) / RATE_HZ)
    axes.set_ylim(0, 1.05)
    plain(axes, "", "seconds (shaded: what was set in; dashed: the word told)", f'"{WORD}"')


def _trade(axes: Axes, result: Result) -> None:
    """Missed against falsely alarmed recordings as the threshold moves; the chosen point."""
    order = np.argsort(-result.odds)
    hits, alarms = (np.cumsum(result.holds[order] == kind) for kind in (1, 0))
    axes.step(100 * alarms / result.free, 100 - 100 * hits / result.held, color=BLUE, where="post")
    axes.plot(100 * result.alarms / result.free, 100 * result.missed / result.held, "o", color=RED)
    axes.set_xlim(-0.5, 20)
    axes.set_ylim(-0.5, 20)
    plain(axes, "Whole recordings (dot: as validation chose)", "false alarms, %", "missed, %")


def main(arguments: list[str] | None = None) -> None:
    parser = flags(__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="the data folder")
    parser.add_argument(
        "--validate", action="store_true", help="stop before the test recordings are made"
    )
    given = parsed(parser, arguments)
    counts = dict.fromkeys(COUNTS, 40) if given.quick else COUNTS
    recipe = replace(RECIPE, epochs=2) if given.quick else RECIPE
    detector = KeywordDetector.load(MODEL)
    parts = taken_apart(detector.net)
    assert parts is not None
    trunk, features = parts[0], detector.features

    def prepared(split: str, report: Report) -> tuple[list[Made], Heard]:
        rows = made(given.data / "speech", split, counts[split], given.seed, report)
        return rows, hear(features, trunk, rows, split, report)

    with metered() as report:
        _, train = prepared("train", report)
        _, validation = prepared("validation", report)
        name = f"weak-words-{given.seed}.checkpoint"
        fitted = learn(train, recipe, report, given.out / name, given.seed)
        window = Window(features.width_samples, features.hop_samples) @ trunk.windows[0]
        window = window @ fitted.net.net.windows[0]
        heard = answers(fitted.net, validation, window)
        threshold = best_threshold(heard.odds, validation.holds)
        place = placement(heard, validation, threshold)
        told = examined(heard, validation, threshold, place)
        print(
            f"validation: {told.missed} of {told.held} missed, {told.alarms} of {told.free} "
            f"falsely alarmed, {told.near} of {len(told.errors_s)} found near the true place"
        )
        if given.validate:
            return
        recordings, test = prepared("test", report)
    heard = answers(fitted.net, test, window)
    result = examined(heard, test, threshold, place)
    tell(result, float(window.size) / RATE_HZ)
    draw(recordings, heard, result, place, window, features.frames, given.out / "weak_words.png")


def learn(
    train: Heard, recipe: Recipe, report: Report, checkpoint: Path, seed: int
) -> Fitted[Swept]:
    """The head, trained through sweep and aggregate; the trunk stays as it is."""
    head = new_head(np.random.default_rng(seed), train.activations.shape[-1])
    return fit(
        Swept(head, LogSumExp()),
        train,
        recipe,
        loss=binary_cross_entropy,
        progress=Course(report, {"head": 1.0}).part("head"),
        checkpoint=checkpoint,
        seed=seed,
    )


if __name__ == "__main__":
    run(main)

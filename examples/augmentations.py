"""What each kind of augmentation does to accuracy: LeNet-5 on digits, one kind at a time.

Each kind is tried scaled to digits (the ranges of digits.py) and at the lectures' full range, on
an equal schedule with equal seeds. Finished runs are kept, so it can be stopped at any time.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from cnn_core.augment import LECTURES, Augmentation
from cnn_core.fit import fit
from cnn_core.measure import error_rate
from cnn_core.modelfile import write_whole
from cnn_core.recipes import Recipe
from examples.digits import AUGMENTATION, RECIPE, new_net
from examples.mnist import Digits, test_digits, training_digits
from examples.running import (
    AMBER,
    BLUE,
    FAINT,
    INK,
    Course,
    Show,
    flags,
    metered,
    parsed,
    picture,
    plain,
    run,
    save,
)
from sweepnet_service.progress import Report

EPOCHS, SEEDS = 12, 2
SCALED, FULL, NONE = "scaled to digits", "full range", "none"
KINDS = {
    "turn": "turn_deg",
    "shift": "shift_px",
    "rescale": "rescale",
    "shear": "shear_deg",
    "stretch": "stretch",
    "flip": "flip_share",
}
RANGES = {SCALED: AUGMENTATION, FULL: LECTURES}


@dataclass(frozen=True)
class Trial:
    """One kind at one range; `kind` "all" is all of them at once, "none" none."""

    kind: str
    range: str
    augmentation: Augmentation

    @property
    def name(self) -> str:
        return self.kind if self.kind == NONE else f"{self.kind}, {self.range}"


def trials() -> list[Trial]:
    """All trials; a kind that a range leaves out is not tried."""
    found = [Trial(NONE, "", Augmentation())]
    for name, whole in RANGES.items():
        for kind, field in KINDS.items():
            alone = replace(Augmentation(), **{field: getattr(whole, field)})
            if alone != Augmentation():
                found.append(Trial(kind, name, alone))
        found.append(Trial("all", name, whole))
    return found


@dataclass(frozen=True, eq=False)
class Study:
    """What is the same for all runs: digits to learn from and to be tested on, and the recipe."""

    digits: Digits
    test: Digits
    recipe: Recipe

    def error(self, trial: Trial, seed: int, show: Show) -> float:
        """The share of test digits that a network trained so misreads."""
        fitted = fit(
            new_net(seed),
            self.digits.examples(trial.augmentation),
            self.recipe,
            progress=show,
            seed=seed,
        )
        return error_rate(self.test.pictures, self.test.labels)(fitted.net)

    def settings(self, trial: Trial, seed: int) -> dict[str, Any]:
        """What decides a run's error, as plain data."""
        sizes = {"digits": len(self.digits), "test": len(self.test)}
        kind = asdict(trial.augmentation)
        return {"augmentation": kind, "seed": seed, "epochs": self.recipe.epochs, **sizes}


def measure(study: Study, seeds: range, kept: Path, report: Report) -> dict[Trial, list[float]]:
    """Errors by trial, a seed each; runs that the folder `kept` knows are not run again."""
    runs = [(trial, seed) for seed in seeds for trial in trials()]
    course = Course(report, {f"{trial.name}, seed {seed}": 1.0 for trial, seed in runs})
    errors: dict[Trial, list[float]] = {trial: [] for trial in trials()}
    for trial, seed in runs:
        name, settings = f"{trial.name}, seed {seed}", study.settings(trial, seed)
        path = kept / f"{name.replace(',', '').replace(' ', '-')}.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        if known.get("settings") == settings:
            course.skip(name)
        else:
            error = study.error(trial, seed, course.part(name))
            known = {"settings": settings, "error": error}
            write_whole(path, json.dumps(known).encode())
        errors[trial].append(known["error"])
    return errors


def table(errors: dict[Trial, list[float]]) -> str:
    """Error on the test digits and what each kind gains over none, in points."""
    by_name = {(trial.kind, trial.range): mean(found) for trial, found in errors.items()}
    plain_error = by_name[NONE, ""]
    lines = [f"| kind | {SCALED} | {FULL} |", "|---|---|---|", f"| none | {plain_error:.2%} | |"]
    for kind in (*KINDS, "all"):
        cells = [
            f"{error:.2%} ({100 * (error - plain_error):+.2f})" if error is not None else ""
            for error in (by_name.get((kind, name)) for name in RANGES)
        ]
        lines.append(f"| {kind} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def draw(errors: dict[Trial, list[float]], digits: Digits, path: Path) -> None:
    """Views of one digit by kind and range, and the error that each leads to."""
    figure = Figure(figsize=(11, 5.8), layout="constrained")
    panels: Any = figure.subfigures(1, 3, width_ratios=(1, 1, 1.7))
    left, middle, right = panels
    _views(left, SCALED, digits)
    _views(middle, FULL, digits)
    axes = right.subplots()
    _errors(axes, errors)
    save(figure, path)


def _views(panel: SubFigure, name: str, digits: Digits) -> None:
    """Six views of a digit in a row for each kind."""
    chosen = {trial.kind: trial for trial in trials() if trial.range == name}
    grid = panel.subplots(len(KINDS) + 1, 6)
    panel.suptitle(name, fontsize=11, color=INK)
    for row, kind in zip(grid, (*KINDS, "all"), strict=True):
        for axes in row:
            axes.set_axis_off()
        if kind not in chosen:
            continue
        views = chosen[kind].augmentation
        seen = views(digits.pictures[[7] * 6], np.random.default_rng(5))
        for axes, pixels in zip(row, seen, strict=True):
            axes.set_axis_on()
            picture(axes, pixels[..., 0], vmin=0, vmax=1)
            axes.spines[:].set_visible(True)
            axes.spines[:].set_color("#dddddd")
        row[0].set_ylabel(kind, rotation=0, ha="right", va="center", fontsize=9, color=INK)


def _errors(axes: Axes, errors: dict[Trial, list[float]]) -> None:
    """A dot for each seed, their mean as a bar's end, none as a line."""
    kinds = (*KINDS, "all")
    colours = {SCALED: BLUE, FULL: AMBER}
    base = 100 * mean(next(found for trial, found in errors.items() if trial.kind == NONE))
    for trial, found in errors.items():
        if trial.kind == NONE:
            continue
        height = kinds.index(trial.kind) + (-0.18 if trial.range == SCALED else 0.18)
        colour = colours[trial.range]
        axes.plot(
            [base, 100 * mean(found)],
            [height] * 2,
            color=colour,
            lw=5,
            alpha=0.35,
            solid_capstyle="butt",
        )
        label = trial.range if trial.kind == "all" else None
        axes.plot([100 * e for e in found], [height] * len(found), "o", color=colour, label=label)
    axes.axvline(base, color=FAINT, lw=1)
    axes.text(base, -0.72, f"none {base:.2f} %", color=FAINT, ha="center", fontsize=9)
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set_ylim(len(kinds) - 0.5, -0.9)
    axes.set_xscale("log")
    ticks = [t for t in (0.5, 1, 1.5, 2, 3, 5, 10, 20, 50) if _within(t, errors)]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    plain(axes, "Test digits misread, a dot a seed", "%")
    axes.legend(frameon=False, loc="upper right")


def _within(tick: float, errors: dict[Trial, list[float]]) -> bool:
    values = [100 * error for found in errors.values() for error in found]
    return 0.7 * min(values) <= tick <= 1.4 * max(values)


def main(arguments: list[str] | None = None) -> None:
    parser = flags(__doc__)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="runs of each kind")
    given = parsed(parser, arguments)
    study = Study(training_digits(), test_digits(), replace(RECIPE, epochs=given.epochs))
    seeds, kept = given.seeds, given.out / "augmentations"
    if given.quick:
        few = slice(0, 64)
        recipe = replace(RECIPE, epochs=1)
        study = Study(study.digits.part(few), study.test.part(few), recipe)
        seeds = 1
    with metered() as report:
        errors = measure(study, range(given.seed, given.seed + seeds), kept, report)
    print(table(errors))
    draw(errors, study.digits, given.out / "augmentations.png")


if __name__ == "__main__":
    run(main, resumes=True)

"""What every example shares: flags, one bar for all its trainings, its picture, its ending."""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable, Sized
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from scipy.stats import binomtest
from threadpoolctl import threadpool_limits

from cnn_core import fit
from cnn_core.arrays import Array
from cnn_core.errors import CoreError
from cnn_core.modelfile import write_whole
from sweepnet_service.commands.ending import refusal
from sweepnet_service.commands.meter import metered as metered
from sweepnet_service.commands.places import check_writable
from sweepnet_service.errors import SweepnetError
from sweepnet_service.progress import Progress, Report

ROOT = Path(__file__).resolve().parents[1]
INK, FAINT = "#1b1f2a", "#8a90a0"
BLUE, RED, GREEN, AMBER = "#3b4cc0", "#e4572e", "#00a087", "#e0a100"
"""Apart for every kind of colour vision, also in grey."""
FAILED, STOPPED = 1, 130

Show = Callable[[fit.Progress], None]
"""What `fit` tells of its progress."""


def flags(about: str | None, seed: int = 0) -> argparse.ArgumentParser:
    """The flags of every example, under the first line of its docstring."""
    parser = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=seed, help=f"of every draw, {seed} by default")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "examples-output", help="folder for what is made"
    )
    parser.add_argument(
        "--quick", action="store_true", help="seconds, to see it run, in OUT/quick: no figures"
    )
    return parser


def parsed(parser: argparse.ArgumentParser, arguments: list[str] | None) -> argparse.Namespace:
    """What was given, with a folder that can be written; a quick run keeps out of the way of the
    real one and starts anew. Raises OSError where nothing can be put there.
    """
    given = parser.parse_args(arguments)
    if given.quick:
        given.out = given.out / "quick"
    check_writable(given.out / f"{Path(parser.prog).stem}.png")
    if given.quick:
        for checkpoint in given.out.glob("*.checkpoint"):
            checkpoint.unlink()
    return given


class Course:
    """Several trainings as one piece of work: one bar, and the time that all of them still need.

    `sizes` are the work of each in any unit, by name, such as steps or multiplications.
    """

    def __init__(self, report: Report, sizes: dict[str, float]) -> None:
        self._report, self._sizes = report, sizes
        self._start_s, self._skipped, self._before = time.monotonic(), 0.0, 0.0
        self._total = sum(sizes.values())

    def skip(self, name: str) -> None:
        """This training was done before: it needs no time."""
        self._skipped += self._sizes[name]
        self._before += self._sizes[name]

    def part(self, name: str) -> Show:
        """The callback for `fit` of one training; the next part starts where it ended."""
        before, first = self._before, None
        self._before += self._sizes[name]

        def show(at: fit.Progress) -> None:
            nonlocal first
            if first is None:
                first = at.step - 1
                self._skipped += self._sizes[name] * first / at.steps
            done = before + self._sizes[name] * at.step / at.steps
            spent = time.monotonic() - self._start_s
            left_s = spent * (self._total - done) / max(done - self._skipped, 1e-9)
            figure = "" if at.figure is None else f", error {at.figure:.2%}"
            message = f"loss {at.loss:.3f}{figure}"
            self._report(Progress(name, at.step, at.steps, left_s, message))

        return show


def save(figure: Figure, path: Path, dpi: int = 100) -> None:
    """Write the picture, whole or not at all, and say where it is."""
    FigureCanvasAgg(figure)
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, dpi=dpi, format="png")
    Image.open(drawn).convert("RGB").save(small, format="png", optimize=True)
    write_whole(path, small.getvalue())
    print(f"picture: {path}")


def mark(curve: Sized) -> str:
    """The marker of a curve: a dot where it is a single point, which no line shows."""
    return "o" if len(curve) == 1 else ""


def plain(axes: Axes, title: str, x: str = "", y: str = "") -> None:
    """Title at the left, labels, and no more lines than needed."""
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=FAINT, labelcolor=INK)


def picture(axes: Axes, pixels: Array, title: str = "", **how: Any) -> None:
    """Pixels without ticks: grey or in colour, or as a map of colours says."""
    axes.imshow(pixels, **{"cmap": "gray_r", "interpolation": "nearest", **how})
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=8, color=INK, pad=2)


def errors(fitted: fit.Fitted[Any]) -> list[float]:
    """The validation figure after each epoch, as a percentage."""
    return [100 * epoch.figure for epoch in fitted.history if epoch.figure is not None]


def share(right: int, count: int) -> str:
    """A share with its 95 % interval (Wilson 1927)."""
    low, high = binomtest(right, count).proportion_ci(method="wilson")
    return f"{right / count:.2%} ({low:.2%} to {high:.2%})"


def run(main: Callable[[], None], resumes: bool = False) -> None:
    """Run an example on one BLAS thread, which keeps its bits; end with one clear line.

    `resumes` says that an example which was stopped goes on where it was.
    """
    try:
        with threadpool_limits(1):
            main()
    except KeyboardInterrupt:
        sys.exit(_end("stopped" + "; the same command goes on from here" * resumes, STOPPED))
    except (CoreError, SweepnetError) as error:
        sys.exit(_end(str(error), FAILED))
    except OSError as error:
        sys.exit(_end(refusal(error), FAILED))


def _end(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code

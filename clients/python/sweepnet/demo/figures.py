"""Draws what the server replied; computes no score of its own. Needs the extra [plots]."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from sweepnet import Detections, ScoreMap

from .announcement import LABEL, Announcement
from .live import Hearing

INK = "#1b1f2a"
FAINT = "#8a90a0"
FOUND = "#00a087"
LINE = "#3b4cc0"
ALERT = "#e4572e"
# Transparent where nothing is, then yellow to red.
HEAT = LinearSegmentedColormap.from_list(
    "heat",
    [(1.0, 0.95, 0.4, 0.0), (1.0, 0.85, 0.2, 0.45), (1.0, 0.45, 0.1, 0.7), (0.9, 0.05, 0.1, 0.85)],
)


@dataclass(frozen=True)
class Sight:
    """One picture and what the server saw in it."""

    path: Path
    credit: str
    detections: Detections


def draw_hearing(announcement: Announcement, hearing: Hearing, path: Path) -> None:
    """Spectrogram with what is said, score curve with threshold and events, over time."""
    figure = Figure(figsize=(15, 7.6), layout="constrained", facecolor="white")
    spectrum, curve = figure.subplots(2, 1, sharex=True, height_ratios=(1.35, 1))
    _spectrogram(spectrum, hearing)
    _captions(spectrum, announcement)
    _score_curve(curve, hearing)
    for axes in (spectrum, curve):
        for event in hearing.events:
            axes.axvline(event.start_s, color=FOUND, lw=2)
            axes.axvline(event.end_s, color=FOUND, lw=2)
        for part in announcement.parts[1:]:
            axes.axvline(part.start_s - 0.2, color=FAINT, lw=0.6, ls=":")
        _plain(axes)
    curve.set_xlim(0, announcement.duration_s)
    figure.suptitle(
        f"“{LABEL}” in a live telephone announcement",
        fontsize=17,
        color=INK,
        x=0.01,
        ha="left",
        weight="bold",
    )
    _save(figure, path)


def _spectrogram(axes: Axes, hearing: Hearing) -> None:
    """The log-mel features that the network saw, low bands at the bottom."""
    rows = [row for piece in hearing.features for row in piece.rows]
    first = hearing.features[0]
    end_s = first.start_s + first.hop_s * len(rows)
    axes.imshow(
        list(zip(*rows, strict=True)),
        origin="lower",
        aspect="auto",
        cmap="magma",
        extent=(first.start_s, end_s, 0, len(rows[0])),
        interpolation="bilinear",
    )
    axes.set_ylabel("log-mel band", color=INK)


def _captions(axes: Axes, announcement: Announcement) -> None:
    """What is said, above the place where it is said."""
    for part in announcement.parts:
        width = max(9, round(7.5 * (part.end_s - part.start_s)))
        said = part.prompt.word_s is not None
        axes.text(
            part.start_s,
            1.03,
            textwrap.fill(part.prompt.says, width),
            transform=axes.get_xaxis_transform(),
            fontsize=9.5,
            color=FOUND if said else INK,
            weight="bold" if said else "normal",
            va="bottom",
        )


def _score_curve(axes: Axes, hearing: Hearing) -> None:
    axes.fill_between(hearing.centres_s, hearing.scores, color=LINE, alpha=0.18, lw=0)
    axes.plot(hearing.centres_s, hearing.scores, color=LINE, lw=1.6)
    axes.axhline(hearing.threshold, color=ALERT, lw=1.1, ls="--")
    axes.text(
        0.996,
        hearing.threshold + 0.02,
        f"threshold {hearing.threshold:.2f}",
        transform=axes.get_yaxis_transform(),
        color=ALERT,
        fontsize=10,
        ha="right",
    )
    for event in hearing.events:
        axes.axvspan(event.start_s, event.end_s, color=FOUND, alpha=0.22, lw=0)
        axes.annotate(
            f"{event.label}  {event.score:.2f}\n{event.start_s:.2f} – {event.end_s:.2f} s",
            (event.end_s, 0.98),
            xytext=(8, 0),
            textcoords="offset points",
            color=FOUND,
            weight="bold",
            fontsize=12,
            va="top",
        )
    axes.set_ylim(0, 1.05)
    axes.set_ylabel(f"score of “{LABEL}”", color=INK)
    axes.set_xlabel("seconds (score drawn at the middle of its window)", color=INK)


def draw_sights(sights: Sequence[Sight], path: Path) -> None:
    """For each picture a row: its boxes, and its score map as heat."""
    figure = Figure(figsize=(13, 4.7 * len(sights)), layout="constrained", facecolor="white")
    grid = figure.subplots(len(sights), 2, squeeze=False)
    for (left, right), sight in zip(grid, sights, strict=True):
        with Image.open(sight.path) as picture:
            photo = picture.convert("RGB")
        _boxes(left, photo, sight)
        _heat(right, photo, sight.detections)
        for axes in (left, right):
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_frame_on(False)
            axes.set_xlim(0, photo.width)
            axes.set_ylim(photo.height, 0)
        left.set_xlabel(sight.credit, fontsize=9, color=FAINT, loc="left")
    _save(figure, path)


def _boxes(axes: Axes, photo: Image.Image, sight: Sight) -> None:
    axes.imshow(photo, extent=(0, photo.width, photo.height, 0))
    found = sight.detections.boxes
    for box in found:
        corner = (box.x_min_px, box.y_min_px)
        width, height = box.x_max_px - box.x_min_px, box.y_max_px - box.y_min_px
        axes.add_patch(Rectangle(corner, width, height, fill=False, ec="white", lw=4.5, alpha=0.55))
        axes.add_patch(Rectangle(corner, width, height, fill=False, ec=FOUND, lw=2.4))
        axes.text(
            box.x_min_px,
            box.y_min_px,
            f" {box.label} {box.score:.2f} ",
            color="white",
            fontsize=11,
            weight="bold",
            va="bottom",
            bbox={"facecolor": FOUND, "edgecolor": "none", "pad": 1.8},
        )
    count = f"{len(found)} box{'' if len(found) == 1 else 'es'}" if found else "nothing found"
    axes.set_title(count, fontsize=14, weight="bold", color=FOUND if found else INK, loc="left")


def _heat(axes: Axes, photo: Image.Image, detections: Detections) -> None:
    """The score map over the photo in grey, each score as large as its step."""
    axes.imshow(
        photo.convert("L"), extent=(0, photo.width, photo.height, 0), cmap="gray", alpha=0.85
    )
    scores = detections.score_map
    if scores is None:
        return
    rows = _rows(scores)
    left = scores.start_x_px - scores.step_x_px / 2
    top = scores.start_y_px - scores.step_y_px / 2
    extent = (
        left,
        left + scores.step_x_px * scores.column_count,
        top + scores.step_y_px * scores.row_count,
        top,
    )
    shown = axes.imshow(rows, extent=extent, cmap=HEAT, vmin=0, vmax=1, interpolation="bilinear")
    bar = axes.figure.colorbar(shown, ax=axes, fraction=0.035, pad=0.02)
    bar.outline.set_visible(False)
    highest = max(map(max, rows), default=0.0)
    title = f"score at every place, highest {highest:.2f}"
    axes.set_title(title, fontsize=14, weight="bold", color=INK, loc="left")


def _rows(scores: ScoreMap) -> list[list[float]]:
    """The first label's scores, row by row."""
    step = len(scores.labels)
    width = scores.column_count
    plane = scores.scores[::step]
    return [list(plane[row * width : (row + 1) * width]) for row in range(scores.row_count)]


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(colors=FAINT, labelcolor=INK)


def _save(figure: Figure, path: Path) -> None:
    """Whole or not at all; raises OSError with the file's name."""
    FigureCanvasAgg(figure)
    part = path.with_name(f".{path.name}.part")
    try:
        figure.savefig(part, dpi=110, format="png")
        part.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        part.unlink(missing_ok=True)

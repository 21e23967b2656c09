"""Draws what the server replied; computes no score of its own. Needs the extra [plots]."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from sweepnet import Detections
from sweepnet.drawing.canvas import (
    ALERT,
    FAINT,
    FOUND,
    INK,
    LINE,
    bare,
    framed,
    heat,
    plain,
    rows_of,
    save,
)

from .announcement import LABEL, Announcement
from .live import Hearing


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
        plain(axes)
    curve.set_xlim(0, announcement.duration_s)
    figure.suptitle(
        f"“{LABEL}” in a live telephone announcement",
        fontsize=17,
        color=INK,
        x=0.01,
        ha="left",
        weight="bold",
    )
    save(figure, path)


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
            bare(axes)
            axes.set_xlim(0, photo.width)
            axes.set_ylim(photo.height, 0)
        left.set_xlabel(sight.credit, fontsize=9, color=FAINT, loc="left")
    save(figure, path)


def _boxes(axes: Axes, photo: Image.Image, sight: Sight) -> None:
    axes.imshow(photo, extent=(0, photo.width, photo.height, 0))
    found = sight.detections.boxes
    for box in found:
        framed(axes, box)
    count = f"{len(found)} box{'' if len(found) == 1 else 'es'}" if found else "nothing found"
    axes.set_title(count, fontsize=14, weight="bold", color=FOUND if found else INK, loc="left")


def _heat(axes: Axes, photo: Image.Image, detections: Detections) -> None:
    """The score map over the photo in grey, each score as large as its step."""
    scores = detections.score_map
    if scores is None:
        axes.imshow(photo.convert("L"), extent=(0, photo.width, photo.height, 0), cmap="gray")
        return
    shown = heat(axes, photo, scores)
    bar = axes.figure.colorbar(shown, ax=axes, fraction=0.035, pad=0.02)
    bar.outline.set_visible(False)
    highest = max(map(max, rows_of(scores)), default=0.0)
    title = f"score at every place, highest {highest:.2f}"
    axes.set_title(title, fontsize=14, weight="bold", color=INK, loc="left")

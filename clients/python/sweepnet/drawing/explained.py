"""Draws what scores were made from: windows of a recording, places of a photo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure, SubFigure
from PIL import Image

from sweepnet import Detections, Event, PictureExplanation, SpotExplanation, SpotResult, WindowScore

from .boxed import photo_of
from .canvas import (
    ALERT,
    FAINT,
    FOUND,
    INK,
    LINE,
    bare,
    framed,
    heat,
    outlined,
    plain,
    save,
    title,
)

MOST_SHOWN = 3
# Blue speaks against, red for; transparent where neither.
AGAINST_FOR = LinearSegmentedColormap.from_list(
    "against and for",
    [
        (0.1, 0.2, 0.9, 0.95),
        (0.3, 0.45, 1, 0.5),
        (1, 1, 1, 0),
        (1, 0.3, 0.2, 0.5),
        (0.85, 0, 0.1, 1),
    ],
)


def draw_recording(name: str, result: SpotResult, path: Path) -> None:
    """The scores of a whole recording, and below them what the highest were made from."""
    chosen = _strongest(result)
    figure = Figure(figsize=(5.0 * max(2, len(chosen)), 8.4), layout="constrained")
    top, below = _halves(figure, (1, 2.1))
    _curves(top.subplots(), result, chosen)
    top.suptitle(f"{name}: score of every window", color=INK, weight="bold", x=0.01, ha="left")
    if chosen:
        grid = below.subplots(2, len(chosen), height_ratios=(1.7, 1), squeeze=False)
        for number, (spectrum, falls, each) in enumerate(zip(*grid, chosen, strict=True), 1):
            event = _event_of(each, result.events)
            _spectrum(spectrum, each, event, number)
            _falls(falls, each, event)
    save(figure, path)


def _halves(figure: Figure, heights: tuple[float, float]) -> tuple[SubFigure, SubFigure]:
    """One above the other."""
    parts: Any = figure.subfigures(2, 1, height_ratios=heights)
    return parts[0], parts[1]


def _strongest(result: SpotResult) -> list[SpotExplanation]:
    """The explanations with the highest scores, in order of time."""
    told = [each for update in result.updates for each in update.explanations]
    best = sorted(told, key=lambda each: -each.score)[:MOST_SHOWN]
    return sorted(best, key=lambda each: each.start_sample)


def _event_of(each: SpotExplanation, events: Sequence[Event]) -> Event | None:
    """The event whose highest window this is."""
    middle = (each.start_sample + each.end_sample) / 2
    near = [e for e in events if e.label == each.label and e.score == each.score]
    return min(near, key=lambda e: abs(e.peak_sample - middle), default=None)


def _curves(axes: Axes, result: SpotResult, chosen: Sequence[SpotExplanation]) -> None:
    """One line for each channel, detector and label."""
    for label, (middles_s, scores) in _by_label(result).items():
        axes.plot(middles_s, scores, lw=1.5, label=label)
    for detector in result.opened.detectors:
        for label, threshold in detector.thresholds.items():
            axes.axhline(threshold, color=ALERT, lw=1, ls="--")
            axes.text(1, threshold, f" {label} {threshold:.2f}", color=ALERT, va="center",
                      transform=axes.get_yaxis_transform())  # fmt: skip
    for event in result.events:
        axes.axvspan(event.start_s, event.end_s, color=FOUND, alpha=0.22, lw=0)
    for number, each in enumerate(chosen, 1):
        middle = (each.start_s + each.end_s) / 2
        axes.plot(middle, each.score, "o", color=LINE, ms=5)
        axes.annotate(f"{number}", (middle, each.score), xytext=(5, 4), color=LINE, weight="bold",
                      textcoords="offset points")  # fmt: skip
    axes.set_xlim(0, max(result.duration_s, 1e-3))
    axes.set_ylim(0, 1.08)
    axes.set_xlabel("seconds, at the middle of the window (green: the words told)", color=INK)
    plain(axes)


def _by_label(result: SpotResult) -> dict[str, tuple[list[float], list[float]]]:
    """(middles in seconds, scores) of each label, on the channel where it is highest."""
    lanes: dict[tuple[int, str], list[WindowScore]] = {}
    for update in result.updates:
        lanes.setdefault((update.channel, update.detector), []).extend(update.windows)
    curves: dict[str, tuple[list[float], list[float]]] = {}
    for detector in result.opened.detectors:
        for (_, name), windows in lanes.items():
            if name != detector.name or not windows:
                continue
            # Told windows are cut at the recording's ends; the first one's end is its own.
            first_s = windows[0].end_s - detector.window_s / 2
            middles_s = [first_s + n * detector.hop_s for n in range(len(windows))]
            for label in detector.labels:
                scores = [window.scores[label] for window in windows]
                if label not in curves or max(scores) > max(curves[label][1]):
                    curves[label] = middles_s, scores
    return curves


def _spectrum(axes: Axes, each: SpotExplanation, event: Event | None, number: int) -> None:
    """The window's frames in grey; over them what spoke for the word and what against."""
    bands = len(each.features.rows[0])
    largest = max(abs(value) for row in each.contributions for value in row) or 1.0
    extent = (each.start_s, each.end_s, 0, bands)
    how: dict[str, Any] = {
        "origin": "lower",
        "aspect": "auto",
        "extent": extent,
        "interpolation": "bilinear",
    }
    axes.imshow(list(zip(*each.features.rows, strict=True)), cmap="gray_r", alpha=0.8, **how)
    axes.imshow(list(zip(*each.contributions, strict=True)), cmap=AGAINST_FOR,
                vmin=-0.6 * largest, vmax=0.6 * largest, **how)  # fmt: skip
    axes.plot([each.effective_start_s, each.effective_end_s], [bands - 0.8] * 2, color=LINE, lw=4,
              solid_capstyle="butt", clip_on=False)  # fmt: skip
    _edges(axes, event)
    axes.set_xlim(each.start_s, each.end_s)
    axes.set_ylim(0, bands)
    axes.set_ylabel("log-mel band", color=INK)
    title(axes, f"{number}   {each.label} {each.score:.2f}" + ("" if event else ", not told"),
          FOUND if event else INK)  # fmt: skip
    axes.set_xlabel("red: for it, blue: against; bar: effective field", color=FAINT)
    plain(axes)


def _falls(axes: Axes, each: SpotExplanation, event: Event | None) -> None:
    """How far the score falls where a piece of time is silenced."""
    hop_s = each.features.hop_s
    times = [each.start_s + hop_s * (n + 0.5) for n in range(len(each.falls))]
    axes.fill_between(times, each.falls, color=LINE, alpha=0.25, lw=0)
    axes.plot(times, each.falls, color=LINE, lw=1.4)
    _edges(axes, event)
    axes.set_xlim(each.start_s, each.end_s)
    axes.set_ylim(min(0, *each.falls), max(each.score, *each.falls) * 1.08 or 1)
    axes.set_ylabel("score lost with\n0.15 s silenced", color=INK)
    axes.set_xlabel("seconds", color=INK)
    plain(axes)


def _edges(axes: Axes, event: Event | None) -> None:
    """Where the word was told to be."""
    for edge_s in (event.start_s, event.end_s) if event else ():
        axes.axvline(edge_s, color=FOUND, lw=2)


def draw_picture(source: Path, found: Detections, path: Path) -> None:
    """The boxes with what the best one could see, every place's score, and crops with the heat."""
    photo = photo_of(source)
    told = sorted(found.explanations, key=lambda each: -each.score)
    if len(told) > 1:
        figure = Figure(figsize=(13.5, 10.2), layout="constrained")
        top, below = _halves(figure, (1.5, 1))
        left, right = top.subplots(1, 2)
        crops = below.subplots(1, len(told))
    else:
        figure = Figure(figsize=(17, 5.8), layout="constrained")
        left, right, *crops = figure.subplots(1, 3, width_ratios=(1.2, 1.3, 1))
    _seen(left, photo, found, told[:1])
    _scores(right, photo, found)
    for axes, each in zip(crops, told, strict=False):
        _crop(axes, photo, each)
    save(figure, path)


def _seen(
    axes: Axes, photo: Image.Image, found: Detections, best: Sequence[PictureExplanation]
) -> None:
    """The boxes; receptive field and effective field of the best place."""
    axes.imshow(photo, extent=(0, photo.width, photo.height, 0))
    for each in best:
        outlined(axes, each.receptive_field, ":")
        outlined(axes, each.effective_field, "--", "#ffd23f")
    for box in reversed(found.boxes):
        framed(axes, box)
    _fit(axes, photo)
    count = f"{len(found.boxes)} box{'' if len(found.boxes) == 1 else 'es'}"
    title(axes, count if found.boxes else "nothing found", FOUND if found.boxes else INK)
    axes.set_xlabel("dotted: receptive field of the best, dashed: where it mainly looks",
                    color=FAINT, loc="left")  # fmt: skip


def _scores(axes: Axes, photo: Image.Image, found: Detections) -> None:
    if found.score_map is not None:
        shown = heat(axes, photo, found.score_map)
        bar = axes.figure.colorbar(shown, ax=axes, fraction=0.035, pad=0.02)
        bar.outline.set_visible(False)
    _fit(axes, photo)
    title(axes, "score of every place")


def _crop(axes: Axes, photo: Image.Image, each: PictureExplanation) -> None:
    """What a score mainly looked at and a little of the photo round it; heat: its gradient."""
    heat(axes, photo, each.relevance)
    area = each.effective_field
    edge = 0.15 * max(area.x_max_px - area.x_min_px, area.y_max_px - area.y_min_px, 1)
    outlined(axes, area, "--", "#ffd23f")
    bare(axes)
    axes.set_xlim(max(0, area.x_min_px - edge), min(photo.width, area.x_max_px + edge))
    axes.set_ylim(min(photo.height, area.y_max_px + edge), max(0, area.y_min_px - edge))
    title(axes, f"{each.label}  {each.score:.2f}")
    axes.set_xlabel("what the score hangs on", color=FAINT, loc="left")


def _fit(axes: Axes, photo: Image.Image) -> None:
    bare(axes)
    axes.set_xlim(0, photo.width)
    axes.set_ylim(photo.height, 0)


__all__ = ["draw_picture", "draw_recording"]

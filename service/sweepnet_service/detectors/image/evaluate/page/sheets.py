"""Contact sheets: pictures with what was found and what was missed drawn in, as small JPEGs."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from PIL import Image, ImageDraw

from cnn_core.arrays import Array, Flags
from sweepnet_service.detectors.page import Markup, tag

from ...dataset import Entry
from ...figures import RIGHT_IOU, Outcome, matches
from ...pixels import read_picture

SIDE_PX = 240
FOUND, FALSE, MISSED = (60, 220, 90), (235, 60, 60), (255, 200, 0)
QUALITY = 80


def sheet(pairs: Iterable[tuple[Entry, Outcome]], threshold: float) -> Markup:
    """A grid of pictures, each with a line that says what there is to see."""
    return tag(
        "ul", *(_item(entry, outcome, threshold) for entry, outcome in pairs), class_="sheet"
    )


def _item(entry: Entry, outcome: Outcome, threshold: float) -> Markup:
    told = outcome.scores >= threshold
    hits = int(outcome.right[told].sum())
    parts = [f"{hits} found"] if hits else []
    parts += [f"{int(told.sum()) - hits} false"] if told.sum() > hits else []
    parts += [f"{outcome.true_count - hits} missed"] if outcome.true_count > hits else []
    words = ", ".join(parts) or "nothing found"
    source = f"data:image/jpeg;base64,{drawn(entry, outcome, threshold)}"
    picture = Markup(f'<img src="{source}" alt="" loading="lazy">')
    return tag("li", picture, tag("small", f"{entry.name}: {words}; {outcome.presence:.2f}"))


def drawn(entry: Entry, outcome: Outcome, threshold: float) -> str:
    """The picture as base64 of a JPEG: found boxes green, false ones red, missed ones yellow."""
    pixels = read_picture(entry.path, enough_px=2 * SIDE_PX)
    image = Image.fromarray(pixels.pixels)
    image.thumbnail((SIDE_PX, SIDE_PX))
    scale = np.array([image.width / pixels.width_px, image.height / pixels.height_px])
    told = outcome.scores >= threshold
    pen = ImageDraw.Draw(image)
    _draw(pen, outcome.true[missed(outcome, told)], scale, MISSED)
    _draw(pen, outcome.boxes[told & ~outcome.right], scale, FALSE)
    _draw(pen, outcome.boxes[told & outcome.right], scale, FOUND)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return base64.b64encode(file.getvalue()).decode()


def missed(outcome: Outcome, told: Flags) -> Flags:
    """Which of the true boxes none of the told ones finds."""
    places = matches(outcome.boxes[told], outcome.true, RIGHT_IOU)
    left = np.ones(len(outcome.true), bool)
    left[places[places >= 0]] = False
    return left


def _draw(
    pen: ImageDraw.ImageDraw, boxes: Array, scale: Array, colour: tuple[int, int, int]
) -> None:
    """Upright boxes (n, 4), or turned ones by their corners (n, 4, 2)."""
    if boxes.ndim == 3:
        for corners in boxes * scale:
            ring = [tuple(corner) for corner in (*corners.tolist(), corners[0].tolist())]
            pen.line(ring, fill=colour, width=2, joint="curve")
        return
    for x0, y0, x1, y1 in (boxes * np.tile(scale, 2)).tolist():
        pen.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), outline=colour, width=2)


def worst(
    pairs: Sequence[tuple[Entry, Outcome]], threshold: float, most: int
) -> dict[str, list[tuple[Entry, Outcome]]]:
    """Pictures by what is to be learnt from them: the surest finds, the most misses, and the
    highest false boxes."""

    def misses(outcome: Outcome) -> int:
        return int(missed(outcome, outcome.scores >= threshold).sum())

    def false(outcome: Outcome) -> float:
        wrong = outcome.scores[~outcome.right & (outcome.scores >= threshold)]
        return float(wrong.max(initial=0))

    labelled = [pair for pair in pairs if pair[1].true_count and pair[0].complete]
    clean = [p for p in labelled if not misses(p[1]) and not false(p[1])]
    known = [p for p in pairs if p[0].complete]
    return {
        "missed": _first(labelled, misses, most),
        "false": _first(known, false, most),
        "found": _first(clean, lambda o: o.true_count + o.presence, most),
    }


def _first(
    pairs: Sequence[tuple[Entry, Outcome]], by: Callable[[Outcome], float], most: int
) -> list[tuple[Entry, Outcome]]:
    """Those with most of it, and any at all."""
    ranked = sorted(pairs, key=lambda pair: -by(pair[1]))
    return [pair for pair in ranked[:most] if by(pair[1]) > 0]

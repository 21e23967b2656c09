"""Random views of labelled pictures for training: flip, scale, aspect, shift, zoom, mosaic, colour.

Every view maps pixels axis by axis (x' = scale * x + shift), so boxes follow exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from cnn_core.arrays import Array, Integers

from .boxes import area
from .dataset import Photo
from .pixels import Pixels

GREY = 114
PIXEL_MEAN = 118.0
PIXEL_SCALE = 64.0


@dataclass(frozen=True)
class Augmentation:
    """How strongly views vary; ratios are limits of log-uniform draws."""

    scale_ratio: float = 1.5
    aspect_log: float = 0.12
    zoom_share: float = 0.5
    zoom_side: tuple[float, float] = (0.1, 0.9)
    zoom_limits: tuple[float, float] = (1 / 1.6, 3.0)
    mosaic_share: float = 0.3
    mosaic_split: tuple[float, float] = (0.3, 0.7)
    least_visible: float = 0.35
    least_side_px: float = 6.0
    saturation: tuple[float, float] = (0.5, 1.5)
    gain: tuple[float, float] = (0.65, 1.35)
    channel_gain: float = 0.12
    offset: float = 0.5
    channel_offset: float = 0.15
    grey_share: float = 0.03


@dataclass(frozen=True)
class View:
    """Source pixel (x, y) -> frame: scale * x + shift, then mirrored in `width` if `flip`."""

    width: int
    height: int
    scale: tuple[float, float]
    shift: tuple[float, float]
    flip: bool = False

    def move(self, boxes: Array) -> Array:
        """Boxes (n, 4) of the source -> of the frame, not clipped."""
        (sx, sy), (tx, ty) = self.scale, self.shift
        moved = boxes * np.array([sx, sy, sx, sy]) + np.array([tx, ty, tx, ty])
        if self.flip:
            moved[:, [0, 2]] = self.width - moved[:, [2, 0]]
        return np.asarray(moved)


@dataclass(frozen=True)
class Sample:
    """A training picture: pixels (H, W, 3) uint8, boxes (n, 4), species (n,), and `ignored`
    (m, 4): regions of which nobody knows that they are background."""

    pixels: Pixels
    boxes: Array
    species: Integers
    ignored: Array


def render(pixels: Pixels, view: View) -> Pixels:
    """The view of a picture (H, W, 3) -> (view.height, view.width, 3), grey where it has none."""
    frame = np.full((view.height, view.width, 3), GREY, np.uint8)
    (sx, sy), (tx, ty) = view.scale, view.shift
    x0, x1 = _covered(tx, tx + sx * pixels.shape[1], view.width)
    y0, y1 = _covered(ty, ty + sy * pixels.shape[0], view.height)
    if x1 > x0 and y1 > y0:
        box = ((x0 - tx) / sx, (y0 - ty) / sy, (x1 - tx) / sx, (y1 - ty) / sy)
        inside = _within(box, pixels.shape[1], pixels.shape[0])
        image = Image.fromarray(pixels)
        part = image.resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR, box=inside)
        frame[y0:y1, x0:x1] = np.asarray(part)
    return frame[:, ::-1] if view.flip else frame


def _covered(start: float, end: float, limit: int) -> tuple[int, int]:
    """The whole frame pixels that [start, end) fills."""
    # A tolerance, because 0.3 * 10 / 10 may end a hair inside a pixel's border.
    return max(0, int(np.ceil(start - 1e-6))), min(limit, int(np.floor(end + 1e-6)))


def _within(
    box: tuple[float, float, float, float], width: int, height: int
) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = box
    return max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1)


def draw_view(
    rng: np.random.Generator, photo: Photo, width: int, height: int, settings: Augmentation
) -> View:
    """A random view of `photo` in a frame of width x height."""
    whole = min(width / photo.pixels.shape[1], height / photo.pixels.shape[0])
    tilt = np.exp(rng.uniform(-settings.aspect_log, settings.aspect_log) / 2)
    zoom = len(photo.boxes) > 0 and rng.random() < settings.zoom_share
    if zoom:
        scale, shift = _zoomed(rng, photo, (width, height), whole, tilt, settings)
    else:
        scale, shift = _scaled(rng, photo, (width, height), whole, tilt, settings)
    return View(width, height, scale, shift, bool(rng.random() < 0.5))


Pair = tuple[float, float]


def _scaled(
    rng: np.random.Generator,
    photo: Photo,
    frame: tuple[int, int],
    whole: float,
    tilt: float,
    settings: Augmentation,
) -> tuple[Pair, Pair]:
    limit = np.log(settings.scale_ratio)
    scale = whole * np.exp(rng.uniform(-limit, limit))
    sx, sy = float(scale * tilt), float(scale / tilt)
    height, width = photo.pixels.shape[:2]
    return (sx, sy), (_between(rng, frame[0] - sx * width), _between(rng, frame[1] - sy * height))


def _zoomed(
    rng: np.random.Generator,
    photo: Photo,
    frame: tuple[int, int],
    whole: float,
    tilt: float,
    settings: Augmentation,
) -> tuple[Pair, Pair]:
    x0, y0, x1, y1 = photo.boxes[rng.integers(len(photo.boxes))].tolist()
    low, high = settings.zoom_side
    side = min(frame) * np.exp(rng.uniform(np.log(low), np.log(high)))
    smallest, largest = (whole * limit for limit in settings.zoom_limits)
    scale = float(np.clip(side / max(x1 - x0, y1 - y0, 1.0), smallest, largest))
    sx, sy = scale * tilt, scale / tilt
    left = _between(rng, frame[0] - sx * (x1 - x0))
    top = _between(rng, frame[1] - sy * (y1 - y0))
    return (float(sx), float(sy)), (float(left - sx * x0), float(top - sy * y0))


def _between(rng: np.random.Generator, room: float) -> float:
    """A place for something with `room` to spare; negative room: any place that fills the frame."""
    return float(rng.uniform(min(0.0, room), max(0.0, room)))


def see(photo: Photo, view: View, settings: Augmentation) -> Sample:
    """The photo through the view; boxes of which too little is left become ignored regions."""
    moved = view.move(photo.boxes.astype(np.float64))
    limit = np.array([view.width, view.height, view.width, view.height])
    clipped = np.clip(moved, 0, limit)
    left = area(clipped)
    sides = clipped[:, 2:] - clipped[:, :2]
    large = (left >= settings.least_visible * area(moved)) & (
        sides.min(axis=1, initial=np.inf) >= settings.least_side_px
    )
    ignored = clipped[~large & (left > 0)]
    if not photo.complete:
        ignored = np.concatenate((ignored, [[0.0, 0.0, view.width, view.height]]))
    return Sample(render(photo.pixels, view), clipped[large], photo.species[large], ignored)


def mosaic(
    draw: Callable[[], Photo], rng: np.random.Generator, size: int, settings: Augmentation
) -> Sample:
    """Four random views side by side, split at a random point."""
    cut_x, cut_y = (round(size * rng.uniform(*settings.mosaic_split)) for _ in range(2))
    frame = np.empty((size, size, 3), np.uint8)
    parts: list[Sample] = []
    for x0, x1 in ((0, cut_x), (cut_x, size)):
        for y0, y1 in ((0, cut_y), (cut_y, size)):
            photo = draw()
            view = draw_view(rng, photo, x1 - x0, y1 - y0, settings)
            part = see(photo, view, settings)
            frame[y0:y1, x0:x1] = part.pixels
            move = np.array([x0, y0, x0, y0])
            parts.append(Sample(part.pixels, part.boxes + move, part.species, part.ignored + move))
    return Sample(
        frame,
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.species for part in parts]),
        np.concatenate([part.ignored for part in parts]),
    )


def normalise(pixels: Pixels) -> Array:
    """uint8 -> float32 as the network takes it, about -2..2."""
    return (pixels.astype(np.float32) - np.float32(PIXEL_MEAN)) / np.float32(PIXEL_SCALE)


LUMA = np.array([0.299, 0.587, 0.114])


def draw_colour(rng: np.random.Generator, settings: Augmentation) -> tuple[Array, Array]:
    """A random change of colour of normalised pixels: matrix (3, 3) and bias (3,): x @ m + b."""
    saturation = 0.0 if rng.random() < settings.grey_share else rng.uniform(*settings.saturation)
    grey = np.repeat(LUMA[:, None], 3, axis=1)
    matrix = saturation * np.eye(3) + (1 - saturation) * grey
    spread = settings.channel_gain
    gains = rng.uniform(*settings.gain) * (1 + rng.uniform(-spread, spread, 3))
    offset = rng.uniform(-settings.offset, settings.offset)
    bias = offset + rng.uniform(-settings.channel_offset, settings.channel_offset, 3)
    return (matrix * gains).astype(np.float32), bias.astype(np.float32)


def coloured(pixels: Pixels, matrix: Array, bias: Array) -> Array:
    """uint8 (H, W, 3) -> normalised float32 with the colour changed, in one product."""
    scaled = matrix / np.float32(PIXEL_SCALE)
    constant = bias - np.float32(PIXEL_MEAN) * scaled.sum(axis=0)
    flat = pixels.reshape(-1, 3).astype(np.float32) @ scaled
    flat += constant
    return flat.reshape(pixels.shape)

"""What cameras and files do to pictures: blur, noise, JPEG; and pieces cut out of them."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from PIL import Image, ImageFilter

from cnn_core.arrays import Array

from ..boxes import area
from ..pixels import Pixels
from .settings import Augmentation
from .view import Sample

HIDDEN = 0.5
"""A box of which more than this share is cut out is neither object nor background."""


def damaged(rng: np.random.Generator, sample: Sample, settings: Augmentation) -> Sample:
    """The sample after none, one or several of the damages."""
    blurs, noisy, packed, cut = rng.random(4) < settings.damage_share
    pixels = sample.pixels
    if blurs:
        pixels = blurred(pixels, rng.uniform(0, settings.blur_px))
    if noisy:
        pixels = with_noise(rng, pixels, rng.uniform(0, settings.noise))
    if packed:
        low, high = settings.jpeg_quality
        pixels = through_jpeg(pixels, int(rng.integers(low, high + 1)))
    sample = replace(sample, pixels=pixels)
    return cut_out(rng, sample, settings) if cut else sample


def blurred(pixels: Pixels, radius_px: float) -> Pixels:
    """A Gaussian blur."""
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius_px)))


def with_noise(rng: np.random.Generator, pixels: Pixels, spread: float) -> Pixels:
    """Normal noise at every place and colour, of this standard deviation in grey levels."""
    noise = rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(spread)
    return np.clip(pixels + noise + np.float32(0.5), 0, 255).astype(np.uint8)


def through_jpeg(pixels: Pixels, quality: int) -> Pixels:
    """What is left after a JPEG file of this quality."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    with Image.open(file) as image:
        return np.asarray(image)


def cut_out(rng: np.random.Generator, sample: Sample, settings: Augmentation) -> Sample:
    """A rectangle of one random colour somewhere (DeVries and Taylor 2017)."""
    height, width = sample.pixels.shape[:2]
    low, high = settings.cut_out_side
    wide, high_px = (max(1, round(n * rng.uniform(low, high))) for n in (width, height))
    x, y = int(rng.integers(width - wide + 1)), int(rng.integers(height - high_px + 1))
    pixels = sample.pixels.copy()
    pixels[y : y + high_px, x : x + wide] = rng.integers(0, 256, 3)
    hidden = _covered(sample.boxes, np.array([x, y, x + wide, y + high_px])) > HIDDEN
    ignored = np.concatenate((sample.ignored, sample.boxes[hidden]))
    return Sample(pixels, sample.objects[~hidden], ignored)


def _covered(boxes: Array, hole: Array) -> Array:
    """The share of each box (n, 4) that lies in the hole (4,)."""
    inside = np.concatenate(
        (np.maximum(boxes[:, :2], hole[:2]), np.minimum(boxes[:, 2:], hole[2:])), axis=1
    )
    return np.asarray(area(inside) / np.maximum(area(boxes), 1e-9))

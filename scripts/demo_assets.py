"""Makes what the demo falls back on: a spoken announcement (espeak-ng) and two drawn pictures."""

from __future__ import annotations

import io
import math
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

ASSETS = Path(__file__).resolve().parents[1] / "clients/python/sweepnet/demo/assets"
RATE_HZ = 8000
SENTENCES = {
    "hold": "Thank you for calling. Please hold the line.",
    "welcome": "Welcome to the garden office.",
    "press": "Press one to leave a message.",
}
SIZE_PX = (340, 240)


def speak(text: str) -> NDArray[np.int16]:
    """The sentence in a synthetic voice: 16-bit samples at RATE_HZ, silence at the ends removed."""
    command = ["espeak-ng", "-v", "en-us", "-s", "150", "--stdout", text]
    done = subprocess.run(command, capture_output=True, check=True)
    with wave.open(io.BytesIO(done.stdout)) as recording:
        rate_hz = recording.getframerate()
        # A piped WAV states no true length: read what there is.
        samples = np.frombuffer(done.stdout[44:], "<i2").astype(np.float32)
    narrow = soxr.resample(samples, rate_hz, RATE_HZ)
    loud = np.flatnonzero(np.abs(narrow) > 100)
    return narrow[loud[0] : loud[-1] + 1].astype("<i2")


def write_wave(path: Path, samples: NDArray[np.int16]) -> None:
    with wave.open(str(path), "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(RATE_HZ)
        recording.writeframes(samples.tobytes())


def leaves(rng: np.random.Generator) -> Image.Image:
    """A blurred green background."""
    picture = Image.new("RGB", SIZE_PX, (28, 58, 30))
    draw = ImageDraw.Draw(picture)
    for _ in range(160):
        x, y = rng.uniform(0, SIZE_PX[0]), rng.uniform(0, SIZE_PX[1])
        long, wide = rng.uniform(15, 50), rng.uniform(5, 16)
        shade = int(rng.uniform(40, 120))
        draw.ellipse((x, y, x + long, y + wide), fill=(shade // 3, shade, shade // 3))
    return picture.filter(ImageFilter.GaussianBlur(5))


def flower(rng: np.random.Generator) -> Image.Image:
    """A daisy, 150 px across, in the middle of leaves."""
    picture = leaves(rng)
    centre = np.array([170.0, 120.0])
    for ring, (count, reach) in enumerate(((18, 75), (14, 60))):
        for petal in range(count):
            angle = 2 * math.pi * (petal + ring / 2) / count
            _petal(picture, centre, angle, reach, 250 - int(rng.uniform(0, 35)))
    draw = ImageDraw.Draw(picture)
    for _ in range(420):
        distance, angle = 20 * math.sqrt(rng.uniform()), rng.uniform(0, 2 * math.pi)
        x, y = centre + distance * np.array([math.cos(angle), math.sin(angle)])
        shade = int(255 - 4 * distance - rng.uniform(0, 40))
        draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=(shade, int(shade * 0.72), 20))
    return picture.filter(ImageFilter.GaussianBlur(0.8))


def _petal(
    picture: Image.Image, centre: NDArray[np.float64], angle: float, reach: int, shade: int
) -> None:
    """One white petal from the centre outwards, a darker line along it."""
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-along[1], along[0]])
    steps = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    middle = centre + along * reach * 0.58
    outline = [
        tuple(middle + along * reach * 0.42 * math.cos(t) + across * 9 * math.sin(t)) for t in steps
    ]
    draw = ImageDraw.Draw(picture)
    draw.polygon(outline, fill=(shade, shade, shade - 8), outline=(190, 190, 180))
    draw.line([*map(tuple, (centre + along * 20, centre + along * reach * 0.85))], (215, 215, 205))


def hills(rng: np.random.Generator) -> Image.Image:
    """Sky over four rows of hills."""
    picture = Image.new("RGB", SIZE_PX, (170, 200, 230))
    draw = ImageDraw.Draw(picture)
    for row in range(4):
        phase, base = rng.uniform(0, 6), 110 + 35 * row
        ridge = [
            (x, base + 14 * math.sin(x / 45 + phase) + 6 * math.sin(x / 17 + 2 * phase))
            for x in range(SIZE_PX[0] + 1)
        ]
        colour = (120 - 25 * row, 150 - 20 * row, 150 - 35 * row)
        draw.polygon([*ridge, (SIZE_PX[0], SIZE_PX[1]), (0, SIZE_PX[1])], fill=colour)
    return picture.filter(ImageFilter.GaussianBlur(1))


def main() -> int:
    ASSETS.mkdir(exist_ok=True)
    for name, text in SENTENCES.items():
        write_wave(ASSETS / f"{name}.wav", speak(text))
    flower(np.random.default_rng(7)).save(ASSETS / "flower.png", optimize=True)
    hills(np.random.default_rng(7)).save(ASSETS / "hills.png", optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

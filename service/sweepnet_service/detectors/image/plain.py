"""Pictures of nothing, drawn by chance: plain colour, fine and coarse noise; free negatives."""

from __future__ import annotations

import numpy as np

from .dataset import Photo
from .objects import Objects

SIDES_PX = (160, 480)
COARSEST_PX = 64


def plain_picture(rng: np.random.Generator) -> Photo:
    """A complete picture without objects: a colour with noise of some strength and grain."""
    height, width = rng.integers(*SIDES_PX, 2)
    grain = int(2 ** rng.uniform(0, np.log2(COARSEST_PX)))
    strength = rng.uniform(0, 128) * rng.integers(0, 2)
    rows, columns = -(-height // grain), -(-width // grain)
    channels = 1 if rng.random() < 0.3 else 3
    noise = rng.uniform(-strength, strength, (rows, columns, channels))
    coarse = rng.uniform(0, 255, 3) + noise
    pixels = np.clip(coarse, 0, 255).astype(np.uint8).repeat(grain, 0).repeat(grain, 1)
    return Photo(
        name="plain",
        pixels=np.ascontiguousarray(pixels[:height, :width]),
        objects=Objects.none(),
        complete=True,
    )

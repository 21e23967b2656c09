"""Every recording of "welcome" and who says it; which speaker fold each voice is measured in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from material import Material

from cnn_core.arrays import Integers
from sweepnet_service.detectors.keyword.dataset import Recording, once, placed
from sweepnet_service.detectors.keyword.folds import FOLDS, voice

WORD = "welcome"


@dataclass(frozen=True)
class Voices:
    """The recordings of the word, doubles once, and the fold of each voice: its own among readers,
    else one after the other.

    All voices of a fold are left out at once: its detector knows none of them, nor the readers in
    whose speech its false alarms are counted.
    """

    material: Material

    @cached_property
    def recordings(self) -> list[Recording]:
        rows = once([*self.material.clips, *self.material.continuous])
        return [row for row in rows if placed(row, WORD)]

    @cached_property
    def fold_of(self) -> Mapping[str, int]:
        names = sorted({voice(row) for row in self.recordings})
        others = [name for name in names if name not in self.material.fold_of]
        drawn = {name: place % FOLDS for place, name in enumerate(others)}
        return {name: self.material.fold_of.get(name, drawn.get(name, 0)) for name in names}

    def left_out(self, fold: int) -> Integers:
        """The places of the recordings that the detector of a fold is measured on."""
        return self._places(fold, inside=True)

    def to_learn(self, fold: int) -> Integers:
        """The places of the others, from which it learns."""
        return self._places(fold, inside=False)

    def _places(self, fold: int, inside: bool) -> Integers:
        own = [self.fold_of[voice(row)] == fold for row in self.recordings]
        return np.flatnonzero(np.array(own) == inside)

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

    def of_fold(self, fold: int) -> list[str]:
        """The voices that the detectors of a fold are measured on."""
        return [name for name, place in self.fold_of.items() if place == fold]

    def said_by(self, name: str) -> list[int]:
        """The places of a voice's recordings."""
        return [n for n, row in enumerate(self.recordings) if voice(row) == name]

    def to_learn_without(self, name: str, fold: int) -> Integers:
        """The places of recordings by others: neither by the voice nor by readers of its fold, in
        whose speech its false alarms are counted.
        """
        return np.array(
            [
                n
                for n, row in enumerate(self.recordings)
                if voice(row) != name and self.material.fold_of.get(voice(row)) != fold
            ],
            np.intp,
        )

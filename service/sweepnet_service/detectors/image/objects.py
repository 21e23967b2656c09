"""The objects of one picture, side by side: boxes, labels, species, points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cnn_core.arrays import Array, Flags, Integers

UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class Objects:
    """n objects: boxes (n, 4) x0, y0, x1, y1; `labels` (n,), indices; `species` (n,), indices or
    -1; points (n, P, 2) x, y, NaN where one is not known. All in the same pixels."""

    boxes: Array
    species: Integers
    labels: Integers
    points: Array

    @classmethod
    def of(
        cls,
        boxes: Array,
        species: Integers | None = None,
        labels: Integers | None = None,
        points: Array | None = None,
    ) -> Objects:
        """Objects of unknown species, of the first label and without points, unless they are
        given."""
        count = len(boxes)
        return cls(
            boxes,
            np.full(count, UNKNOWN) if species is None else species,
            np.zeros(count, np.int64) if labels is None else labels,
            np.zeros((count, 0, 2)) if points is None else points,
        )

    @classmethod
    def none(cls) -> Objects:
        """A picture of nothing."""
        return cls.of(np.zeros((0, 4), np.float32))

    @classmethod
    def joined(cls, parts: Sequence[Objects]) -> Objects:
        """All of them in order, those that hold any with equally many points."""
        some = [part for part in parts if len(part)] or [cls.none()]
        return cls(
            np.concatenate([part.boxes for part in some]),
            np.concatenate([part.species for part in some]),
            np.concatenate([part.labels for part in some]),
            np.concatenate([part.points for part in some]),
        )

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, which: Flags | Integers | slice) -> Objects:
        return Objects(
            self.boxes[which], self.species[which], self.labels[which], self.points[which]
        )

    def moved(self, x: float, y: float) -> Objects:
        """The same in pixels whose origin lies `x` to the left and `y` above."""
        return replace(
            self,
            boxes=self.boxes + np.array([x, y, x, y]),
            points=self.points + np.array([x, y]),
        )

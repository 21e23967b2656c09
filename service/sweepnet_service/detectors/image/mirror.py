"""A network's answers for the mirror image of a frame, as answers for the frame itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnn_core.arrays import Array

from .layout import CORNERS, TURNED, Layout


@dataclass(frozen=True)
class Mirror:
    """How answers (H, W, channels) of a layout look in a mirror. `flips`: which key point stands in
    the place of each there, so that the left eye stays the one on the left of the face."""

    layout: Layout
    flips: tuple[int, ...] = ()

    def mean(self, answers: Array, mirrored: Array) -> Array:
        """Of the answers for a frame, and of those for its mirror image."""
        return np.asarray((answers + self._back(mirrored, answers)) / 2)

    def _back(self, mirrored: Array, answers: Array) -> Array:
        """The mirror's answers where the frame has them; corners in the order of `answers`."""
        back = mirrored[:, ::-1].copy()
        sides, places = self.layout.sides, self.layout.places
        back[..., sides] = back[..., sides][..., [2, 1, 0, 3][: sides.stop - sides.start]]
        if self.layout.points:
            points = _points(back[..., places]) * np.array([-1, 1], back.dtype)
            turned = self.layout.shape == TURNED
            ordered = (
                nearest_order(points, _points(answers[..., places]), -1)
                if turned
                else points[..., np.argsort(self.flips), :]
            )
            back[..., places] = ordered.reshape(back[..., places].shape)
        return back


def nearest_order(corners: Array, like: Array, way: int = 1) -> Array:
    """Corners (..., 4, 2) counted from the one that brings them nearest to those of `like`, and
    along with them (`way` 1) or against (-1, as after a mirror)."""
    every = np.stack(
        [corners[..., (start + way * np.arange(CORNERS)) % CORNERS, :] for start in range(CORNERS)]
    )
    far = np.square(every - like).sum(axis=(-2, -1))
    return np.asarray(np.take_along_axis(every, far.argmin(axis=0)[None, ..., None, None], 0)[0])


def _points(places: Array) -> Array:
    return places.reshape(*places.shape[:-1], -1, 2)

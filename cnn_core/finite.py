"""Samples that are numbers: NaN and infinite ones are refused where a signal enters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import NotFiniteError


def check_finite(where: str, x: Array, origin: Sequence[int] = ()) -> None:
    """Raises NotFiniteError that names the first NaN or infinite sample of `x` by its place.

    `origin` is the place of x[0, 0, ...] in the signal that x was cut from.
    """
    finite = np.isfinite(x)
    if finite.all():
        return
    bad = np.argwhere(~finite)
    shift = np.zeros(x.ndim, int)
    shift[: len(origin)] = origin
    place = tuple((bad[0] + shift).tolist())
    others = f", and {len(bad) - 1} more are not finite" if len(bad) > 1 else ""
    raise NotFiniteError(
        f"{where}: sample {place} is {x[tuple(bad[0])]}{others}; expected finite numbers. "
        "Leave them out or, in a stream, tell of a gap"
    )

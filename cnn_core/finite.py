"""Samples that are numbers: NaN and infinite ones are refused where a signal enters."""

from __future__ import annotations

from collections.abc import Sequence
from operator import add

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
    first = tuple(map(int, np.unravel_index(np.argmin(finite), x.shape)))
    place = tuple(map(add, first, (*origin, *(0 for _ in first))))
    more = finite.size - np.count_nonzero(finite) - 1
    others = f", and {more} more are not finite" if more else ""
    raise NotFiniteError(
        f"{where}: sample {place} is {x[first]}{others}; expected finite numbers. "
        "Leave them out or, in a stream, tell of a gap"
    )

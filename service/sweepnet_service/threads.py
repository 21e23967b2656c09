"""How many threads a numeric library may start: one, as the server's pool fills the cores."""

from __future__ import annotations

import os


def limit_threads() -> None:
    """Must run before NumPy is imported; what the user has set counts."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")

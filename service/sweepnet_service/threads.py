"""How many threads a numeric library may start: one, as the server's pool fills the cores."""

from __future__ import annotations

import os
import sys

VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def limit_threads() -> None:
    """One thread, unless the user has set another number in the environment.

    Best before NumPy is imported. Where it is there already, and no longer reads the environment,
    it is told: several threads that wait for each other in small products cost the live path
    ten times its time on a busy machine.
    """
    unset = [name for name in VARIABLES if name not in os.environ]
    os.environ.update(dict.fromkeys(unset, "1"))
    if "OPENBLAS_NUM_THREADS" in unset and "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        threadpool_limits(1)

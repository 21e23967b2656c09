"""What a server sets for its process: one thread for each numeric library, a patient collector."""

from __future__ import annotations

import gc
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


NEW_OBJECTS = 5_000
"""Not many more: what ended calls leave behind in circles, messages too, waits for so many."""


def collect_seldom() -> None:
    """Has Python's collector look less often than every 700 new objects: what it looks through are
    the states of all streams, none of them garbage, and with 64 streams it took a twentieth of
    their scoring.
    """
    gc.set_threshold(NEW_OBJECTS)

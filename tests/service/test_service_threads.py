"""The server's numeric libraries run on one thread each, whatever was imported before."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CHECK = """
import sweepnet_service.commands.serve  # brings NumPy along
from sweepnet_service.threads import limit_threads
limit_threads()
import numpy, scipy.linalg
from threadpoolctl import threadpool_info
print({each["num_threads"] for each in threadpool_info()})
"""


# A machine of one core has no second thread to give.
GIVEN = [(None, "{1}"), *([("2", "{2}")] if (os.cpu_count() or 1) > 1 else [])]


@pytest.mark.parametrize(("given", "expected"), GIVEN)
def test_numeric_libraries_get_one_thread_unless_told_otherwise(
    given: str | None, expected: str
) -> None:
    """NumPy was imported before it was told: ten live streams took the time of two hundred."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {} if given is None else dict.fromkeys(names, given)
    done = subprocess.run(
        [sys.executable, "-c", CHECK], env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == expected

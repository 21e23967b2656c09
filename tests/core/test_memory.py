"""What allocation costs: a network that runs again asks the system for no more memory."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

RUNS = """
import resource
import numpy as np
from cnn_core.layers import Conv2d, Relu, Sequential

rng = np.random.default_rng(0)
net = Sequential((
    Conv2d.create(rng, 3, 16, 3, padding="same"), Relu(), Conv2d.create(rng, 16, 16, 3), Relu(),
))
x = np.zeros((1, 160, 160, 3), np.float32)
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    net.forward(x)
before = faults()
for _ in range(10):
    net.forward(x)
print((faults() - before) / 10)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators, other habits")
def test_a_second_run_takes_no_fresh_pages():
    """Each forward pass makes 3 MB of arrays, 800 pages: they are the ones of the run before."""
    answer = subprocess.run([sys.executable, "-c", RUNS], stdout=subprocess.PIPE, check=True)
    assert float(answer.stdout) < 80

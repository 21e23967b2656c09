"""Model files that were written once load for ever, and give what they gave."""

from __future__ import annotations

import numpy as np
import pytest

from cnn_core import modelfile
from cnn_core.layers import Layer
from tests.core.cases import double
from tests.core.golden_file import GOLDEN
from tests.core.torch_record import given

FILES = sorted(GOLDEN.glob("format*.safetensors"))
NEWER: frozenset[str] = frozenset()
"""Layers that came after the newest golden file was written."""


def test_each_format_has_a_file():
    assert [path.stem for path in FILES] == [
        f"format{version}" for version in range(1, modelfile.FORMAT_VERSION + 1)
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_of_old_gives_what_it_gave(path):
    """Every layer in it, with the settings that it had then."""
    found = modelfile.load(path)
    cases = found.description["cases"]

    assert found.format_version == int(path.stem.removeprefix("format"))
    assert len(cases) == len(found.net.layers)
    for case, layer in zip(cases, found.net.layers, strict=True):
        shape = tuple(case["shape"])
        y = double(layer).forward(given(layer, shape)[0])
        expected = np.array(case["output"]).reshape(y.shape)
        np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-9, err_msg=case["name"])


def test_the_newest_file_holds_every_layer():
    """A layer that a release knows is in its golden file; one that is newer waits for the next."""
    held = {type(layer).__name__ for layer in modelfile.load(FILES[-1]).net.layers}

    assert held <= set(Layer.registry)
    assert set(Layer.registry) - held <= NEWER

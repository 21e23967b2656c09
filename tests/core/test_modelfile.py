"""Model files: a round trip for every layer, and a clear refusal of everything else."""

from __future__ import annotations

import errno
import json
from dataclasses import fields, replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from cnn_core import modelfile
from cnn_core.aggregate import linear
from cnn_core.errors import ModelFileError
from cnn_core.layers import Conv1d, Dense, Layer, LeakyRelu, MaxPool, Relu, Sequential
from cnn_core.tree import leaves
from cnn_core.weak import Swept

EXAMPLES = [
    layer
    for _, cls in sorted(Layer.registry.items())
    for layer, _ in cls.examples(np.random.default_rng(0))
]


@pytest.mark.parametrize("layer", EXAMPLES, ids=lambda layer: type(layer).__name__)
def test_what_was_saved_is_what_is_loaded(layer, tmp_path):
    """Architecture, every bit of every array, and the description come back."""
    path = tmp_path / "m.safetensors"
    modelfile.save(path, layer, {"labels": ["welcome"]})
    loaded = modelfile.load(path)
    assert loaded.description == {"labels": ["welcome"]}
    assert type(loaded.net) is type(layer)
    saved, read = leaves(layer), leaves(loaded.net)
    assert [name for name, _ in saved] == [name for name, _ in read]
    assert all(a.tobytes() == b.tobytes() for (_, a), (_, b) in zip(saved, read, strict=True))
    assert not list(tmp_path.glob(".*tmp"))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_never_written(wrong, tmp_path):
    net = Dense.create(np.random.default_rng(0), 2, 2)
    path = tmp_path / "m.safetensors"
    modelfile.save(path, net, {})
    before = path.read_bytes()
    bad = replace(net, bias=np.array([0, wrong], np.float32))
    with pytest.raises(ModelFileError, match="bias holds NaN or infinite"):
        modelfile.save(path, bad, {})
    assert path.read_bytes() == before


RNG = np.random.default_rng(0)


def nested(depth):
    """A layer within `depth - 1` others."""
    net = Relu()
    for _ in range(depth - 1):
        net = Sequential((net,))
    return net


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (Dense(np.ones((2, 2), int), None), "weight: got an array of int64"),
        (MaxPool.create(70000), "kernel: got"),
        (nested(101), "more than 100 layers in each other"),
        (nested(2000), "its network is no JSON"),
        (Swept(Conv1d.create(RNG, 1, 1, 3), linear(RNG, 1, 2)), "got Swept, which .* no name"),
    ],
    ids=["whole numbers", "large", "deep", "deeper", "swept"],
)
def test_what_could_not_be_loaded_is_not_written(net, message, tmp_path):
    with pytest.raises(ModelFileError, match=message):
        modelfile.save(tmp_path / "m.safetensors", net, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"peak": np.inf}, "no JSON"),
        ({1: "a", "1": "b"}, "twice|no JSON"),
        ({"long": "x" * (4 * 1024 * 1024)}, "expected at most"),
    ],
    ids=["infinite", "twice", "long"],
)
def test_a_description_that_could_not_be_read_is_not_written(description, message, tmp_path):
    with pytest.raises(ModelFileError, match=message):
        modelfile.save(tmp_path / "m.safetensors", Relu(), description)
    assert not list(tmp_path.iterdir())


def test_a_hundred_layers_in_each_other_come_back(tmp_path):
    modelfile.save(tmp_path / "m", nested(100), {})
    x = np.array([[-1.0, 2.0]])

    assert modelfile.load(tmp_path / "m").net.forward(x).tolist() == [[0, 2]]


def test_settings_that_numpy_computed_are_settings(tmp_path):
    net = LeakyRelu(np.float32(0.25))
    modelfile.save(tmp_path / "m", net, {})

    assert modelfile.load(tmp_path / "m").net.slope == 0.25


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity"])
def test_numbers_beyond_all_bounds_are_refused(number, tmp_path):
    path = _file(tmp_path / "m", description=f'{{"peak": {number}}}')
    with pytest.raises(ModelFileError, match="description is no JSON"):
        modelfile.load(path)


def test_a_full_disk_is_told_of_with_the_files_name(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(modelfile.os, "fsync", full)
    with pytest.raises(OSError, match=r"m\.safetensors"):
        modelfile.write_whole(tmp_path / "m.safetensors", b"1")
    assert not list(tmp_path.iterdir())


def test_equal_models_are_equal_bytes(tmp_path):
    """The order of tensors and of metadata never shows in the file."""
    net = Dense.create(np.random.default_rng(0), 2, 2)
    files = [tmp_path / f"{i}" for i in range(8)]
    for path in files:
        modelfile.save(path, net, {"b": 1, "a": 2})
    assert len({path.read_bytes() for path in files}) == 1


def _file(path, **changes):
    rng = np.random.default_rng(0)
    net = Sequential((Dense.create(rng, 2, 2), Relu()))
    modelfile.save(path, net, {})
    metadata, tensors = modelfile.read_tensors(path)
    metadata |= {k: v for k, v in changes.items() if k in metadata}
    tensors |= changes.get("tensors", {})
    save_file(tensors, path, metadata)
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": "2"}, "Install a newer sweepnet"),
        ({"format_version": "x"}, "expected a sweepnet model file"),
        ({"architecture": "{"}, "its header is damaged"),
        ({"architecture": json.dumps({"layer": "Evil"})}, "got layer 'Evil'"),
        ({"architecture": json.dumps({"layer": "Relu", "power": 2})}, "cannot be built"),
        ({"architecture": json.dumps({"layer": "Relu"})}, "belong to no layer"),
        ({"architecture": json.dumps(3)}, "architecture is 3; expected a JSON object"),
        ({"architecture": "{}"}, "got layer None"),
        ({"tensors": {"layers.0.bias": np.full(2, np.nan, np.float32)}}, "NaN or infinite"),
    ],
)
def test_a_foreign_file_is_refused_with_a_reason(tmp_path, changes, message):
    with pytest.raises(ModelFileError, match=message):
        modelfile.load(_file(tmp_path / "m", **changes))


@pytest.mark.parametrize("content", [b"", b"RIFF", b"\xff" * 100])
def test_a_damaged_file_is_refused(tmp_path, content):
    path = tmp_path / "m"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="not a readable safetensors file"):
        modelfile.load(path)


def test_a_truncated_file_is_refused(tmp_path):
    path = _file(tmp_path / "m")
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ModelFileError):
        modelfile.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelFileError, match="no such file"):
        modelfile.load(tmp_path / "nowhere")


def test_layers_name_themselves_in_errors():
    with pytest.raises(ValueError, match=r"Conv1d\(2 -> 3, kernel 3\): got an input of shape"):
        Conv1d.create(np.random.default_rng(0), 2, 3, 3).forward(np.zeros((1, 9, 4), np.float32))


def test_no_setting_bears_a_name_of_the_format():
    """A field called `layer` or `tensor` would be taken for the class name or an array."""
    named = {field.name for layer in EXAMPLES for field in fields(layer)}
    assert not named & {"layer", "tensor"}

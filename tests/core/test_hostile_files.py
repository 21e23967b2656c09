"""Model files as an enemy would write them: refused with a reason, or a network that runs."""

from __future__ import annotations

import json
from contextlib import suppress
from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core import checkpoint, modelfile
from cnn_core.description import describe, rebuild
from cnn_core.errors import CoreError, ModelFileError
from cnn_core.layers import BatchNorm, Conv2d, Dense, Relu, Sequential
from cnn_core.tree import leaves
from tests.core.cases import draw, examples

EXAMPLES = {name: (layer, shape) for name, layer, shape in examples()}
LARGEST_OUTPUT = 10**6


def small_net():
    return Sequential((Dense.create(np.random.default_rng(0), 2, 2), Relu()))


@pytest.fixture
def model(tmp_path):
    """A function that writes a sound model file, its header entries and tensors changed."""

    def write(tensors=None, **entries):
        path = tmp_path / "m.safetensors"
        modelfile.save(path, small_net(), {})
        metadata, sound = modelfile.read_tensors(path)
        modelfile.write_tensors(path, sound | (tensors or {}), metadata | entries)
        return path

    return write


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """One sound model file."""
    path = tmp_path_factory.mktemp("sound") / "m"
    modelfile.save(path, small_net(), {})
    return path


def refused(path, message):
    """The error says what is wrong, and is short enough for one line of a log."""
    with pytest.raises(ModelFileError, match=message) as caught:
        modelfile.load(path)
    assert len(str(caught.value)) < 2000


class TestHeader:
    """The eight bytes of its length, and the JSON behind them."""

    def change(self, path, length=None, header=None):
        content = path.read_bytes()
        size = int.from_bytes(content[:8], "little")
        fields = json.loads(content[8 : 8 + size])
        body = content[8 + size :]
        text = json.dumps(header(fields)).encode() if header else content[8 : 8 + size]
        path.write_bytes((length or len(text)).to_bytes(8, "little") + text + body)

    @pytest.mark.parametrize("length", [0, 7, 2**31, 2**62, 2**64 - 1])
    def test_a_wrong_length(self, model, length):
        path = model()
        path.write_bytes(length.to_bytes(8, "little") + path.read_bytes()[8:])
        refused(path, "not a readable safetensors file")

    @pytest.mark.parametrize(
        "place", [[0, 2**40], [2**63, 2**63 + 16], [8, 0], [-16, 0], [0, 12], [0, 16]]
    )
    def test_offsets_that_leave_the_file_overlap_or_run_backwards(self, model, place):
        path = model()

        def moved(fields):
            fields["layers.0.weight"]["data_offsets"] = place
            fields["layers.0.bias"]["data_offsets"] = [0, 8]
            return fields

        self.change(path, header=moved)
        refused(path, "not a readable safetensors file")

    def test_a_shape_larger_than_its_bytes(self, model):
        path = model()
        self.change(path, header=lambda f: f | {"x": {**f["layers.0.bias"], "shape": [2**40]}})
        refused(path, "not a readable safetensors file")

    @pytest.mark.parametrize("kind", ["BF16", "F8_E4M3", "I64", "BOOL", "U8", "C64", "F99"])
    def test_numbers_that_are_no_weights(self, model, kind):
        path = model()

        def retyped(fields):
            bits = {"BF16": 16, "F8_E4M3": 8, "I64": 64, "BOOL": 8, "U8": 8}.get(kind, 64)
            size = 8 * 8 // bits
            fields["layers.0.bias"] |= {"dtype": kind, "shape": [size]}
            return fields

        self.change(path, header=retyped)
        refused(path, "not a readable safetensors file|expected an array of floating-point|NaN")

    def test_nesting_without_end(self, model):
        path = model()
        deep = b"[" * 50_000
        path.write_bytes(len(deep).to_bytes(8, "little") + deep)
        refused(path, "not a readable safetensors file")

    @given(at=st.integers(0, 2000), byte=st.integers(0, 255))
    @settings(max_examples=200, deadline=None)
    def test_any_byte_changed(self, sound, at, byte):
        """Either the file is refused, or what is loaded is a whole network with finite weights."""
        path, content = sound.with_name("changed"), bytearray(sound.read_bytes())
        content[at % len(content)] = byte
        path.write_bytes(content)
        try:
            net = modelfile.load(path).net
        except ModelFileError:
            return
        assert all(np.isfinite(array).all() for _, array in leaves(net))

    @given(length=st.integers(0, 2000))
    @settings(max_examples=50, deadline=None)
    def test_any_truncation(self, sound, length):
        path, content = sound.with_name("cut"), sound.read_bytes()
        path.write_bytes(content[: length % len(content)])
        with pytest.raises(ModelFileError):
            modelfile.load(path)

    def test_a_file_beyond_the_bound_is_not_read(self, tmp_path):
        path = tmp_path / "m"
        with path.open("wb") as file:
            file.truncate(modelfile.LARGEST_BYTES + 1)
        refused(path, "expected at most")


class TestEntries:
    """Version, architecture and description."""

    @pytest.mark.parametrize("version", ["2", "10", "9" * 5000])
    def test_a_newer_format(self, model, version):
        refused(model(format_version=version), "Install a newer sweepnet")

    @pytest.mark.parametrize("version", ["", "0", "01", "-1", "1.0", "²", "١", "one"])
    def test_no_format_at_all(self, model, version):
        refused(model(format_version=version), "expected a sweepnet model file")

    @pytest.mark.parametrize("entry", ["architecture", "description"])
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[" * 100_000, "is no JSON"),
            ('{"a":' * 100_000, "is no JSON"),
            ('{"layer": "Relu", "layer": "Relu"}', "'layer' is there twice"),
            ('{"a": NaN}', "NaN is no number"),
            ('{"a": -Infinity}', "-Infinity is no number"),
            ('{"a": ' + "9" * 5000 + "}", "is no JSON"),
            ("[]", "expected a JSON object"),
            (" " * (modelfile.LARGEST_JSON + 1), "expected at most"),
        ],
    )
    def test_json_that_is_none(self, model, entry, text, message):
        refused(model(**{entry: text}), message)

    def test_a_million_layers(self, model):
        many = ",".join(['{"layer":"Relu"}'] * 1_000_000)
        refused(model(architecture=f'{{"layer":"Sequential","layers":[{many}]}}'), "at most")

    def test_a_description_that_is_no_json_is_not_written(self, tmp_path):
        for wrong in (float("nan"), {1, 2}):
            with pytest.raises(ModelFileError, match="nothing was written"):
                modelfile.save(tmp_path / "m", small_net(), {"figure": wrong})
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("text", ["[1]", "3", "{", "[" * 100_000])
    def test_a_checkpoint_whose_record_is_none(self, tmp_path, text):
        path = tmp_path / "c"
        modelfile.write_tensors(path, {"net/bias": np.ones(2, np.float32)}, {"record": text})
        with pytest.raises(ModelFileError, match="record"):
            checkpoint.record(path)


class TestDescriptions:
    """Networks that cannot be."""

    def test_layers_in_layers_without_end(self):
        net = {"layer": "Relu"}
        for _ in range(400):
            net = {"layer": "Sequential", "layers": [net]}
        with pytest.raises(ModelFileError, match="more than 100 layers in each other"):
            rebuild(net, {})

    def test_two_layers_that_share_a_tensor(self):
        shared = {"layer": "Dense", "weight": {"tensor": "w"}, "bias": {"tensor": "w"}}
        with pytest.raises(ModelFileError, match=r"expected .*'weight'"):
            rebuild(shared, {"w": np.ones((2, 2))})

    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("stride", [0, 1]),
            ("stride", [-1, 1]),
            ("stride", [1]),
            ("stride", "11"),
            ("stride", [1.0, 1.0]),
            ("stride", [True, True]),
            ("stride", [10**9, 1]),
            ("dilation", [0, 0]),
            ("dilation", None),
            ("padding", [[-1, 0], [0, 0]]),
            ("padding", [[10**9, 10**9], [0, 0]]),
            ("padding", [0, 0]),
            ("padding", "same"),
            ("groups", 0),
            ("groups", 3),
            ("groups", -4),
            ("groups", "1"),
            ("bias", [0, 0]),
            ("bias", {"tensor": "weight"}),
            ("bias", {"layer": "Relu"}),
            ("weight", None),
            ("weight", {"tensor": ["weight"]}),
            ("weight", {"tensor": "elsewhere"}),
            ("layer", ["Conv2d"]),
            ("layer", "Layer"),
            ("layer", "__init__"),
            ("power", 2),
        ],
    )
    def test_a_convolution_with_a_wrong_setting(self, setting, value):
        net = Conv2d.create(np.random.default_rng(0), 4, 4, 3)
        with pytest.raises(ModelFileError, match="model description"):
            rebuild({**describe(net), setting: value}, dict(leaves(net)))

    def test_a_variance_below_zero_gives_no_scores(self):
        """Finite numbers that would end as NaN. Building is fine: a gradient may hold them."""
        arrays = dict(leaves(BatchNorm.create(2))) | {"variance": np.array([1.0, -1.0])}
        net = rebuild(describe(BatchNorm.create(2)), arrays)
        with pytest.raises(CoreError, match=r"variance: got -1\.0; expected numbers >= 0"):
            net.forward(np.ones((1, 3, 2)))

    @pytest.mark.parametrize(
        ("name", "shape"),
        [
            ("weight", ()),
            ("weight", (4,)),
            ("weight", (3, 3, 4)),
            ("weight", (3, 3, 4, 0)),
            ("weight", (0, 3, 4, 4)),
            ("weight", (3, 3, 3, 4, 4)),
            ("bias", (1,)),
            ("bias", (5,)),
            ("bias", (1, 4)),
        ],
    )
    def test_a_convolution_with_arrays_that_do_not_belong_together(self, name, shape):
        net = Conv2d.create(np.random.default_rng(0), 4, 4, 3)
        arrays = dict(leaves(net)) | {name: np.ones(shape, np.float32)}
        with pytest.raises(ModelFileError, match="cannot be built"):
            rebuild(describe(net), arrays)


MISSING = object()
HOSTILE = (
    MISSING, None, True, -1, 0, 1, 2, 7, 4096, 2**31, 10**30, 0.5, -3.5, 1e308, "", "same", "Relu",
    [], [0], [1, 2], [[1, 1]], {}, {"layer": "Relu"}, {"layer": "Flatten"}, {"tensor": "weight"},
)  # fmt: skip


def places(node, path=()):
    """Every place of a JSON tree, below its root."""
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield (*path, key)
            yield from places(value, (*path, key))


def put(node, place, value):
    """The tree with another value at a place, or with nothing there."""
    changed = deepcopy(node)
    *way, last = place
    parent = changed
    for key in way:
        parent = parent[key]
    if value is MISSING:
        del parent[last]
    else:
        parent[last] = deepcopy(value)
    return changed


def answers_or_is_refused(description, layer, shape):
    """The law: a description gives a layer that answers as it says, or an error of the core."""
    with suppress(CoreError):
        net = rebuild(description, dict(leaves(layer)))
        x = draw(layer, shape, np.random.default_rng(0))
        expected = net.output_shape(shape)
        if np.prod(expected) <= LARGEST_OUTPUT:
            assert net.forward(x).shape == expected


@pytest.mark.parametrize("name", EXAMPLES)
def test_anything_at_any_place_is_refused_or_runs(name):
    layer, shape = EXAMPLES[name]
    sound = describe(layer)
    for place in places(sound):
        for value in HOSTILE:
            answers_or_is_refused(put(sound, place, value), layer, shape)


@settings(max_examples=200, deadline=None)
@given(name=st.sampled_from(sorted(EXAMPLES)), data=st.data())
def test_several_changes_are_refused_or_run(name, data):
    layer, shape = EXAMPLES[name]
    changed = describe(layer)
    for _ in range(data.draw(st.integers(2, 4))):
        if there := list(places(changed)):
            place = data.draw(st.sampled_from(there))
            changed = put(changed, place, data.draw(st.sampled_from(HOSTILE)))
    answers_or_is_refused(changed, layer, shape)

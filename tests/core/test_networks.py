"""Named networks at their published sizes, without their weights being drawn."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from cnn_core import networks
from cnn_core.errors import GeometryError
from cnn_core.init import he, zeros
from cnn_core.layers import LocalResponseNorm, Relu, Sequential
from cnn_core.networks import COUNTED, NAMED, PUBLISHED
from cnn_core.summary import summary, times
from cnn_core.tree import count_weights, leaves

RNG = np.random.default_rng(0)
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")
PICTURE = (1, 224, 224, 3)
NARROW = {
    name: (each.build(np.random.default_rng(1), width=1 / 16), (1, *each.input_shape))
    for name, each in NAMED.items()
    if name != "go_policy"
}
NARROW["go_policy"] = (networks.go_policy(RNG, planes=3, filters=4, depth=4, board=7), (1, 7, 7, 3))
NARROW["video"] = (networks.video(RNG, 4, channels_in=1, widths=(2, 3, 4)), (2, 5, 12, 9, 1))


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_network_has_the_stated_number_of_parameters(name):
    """Running statistics are not counted."""
    published = PUBLISHED[name]

    assert published.source == "torchvision"
    assert count_weights(published.build(RNG, initialiser=zeros)) == published.parameters


def layer(places, channels_in, channels_out):
    """Weights and biases of a convolution of so many places, or of a dense layer."""
    return places * channels_in * channels_out + channels_out


def separable(channels_in, channels_out):
    """3 x 3 within channels, 1 x 1 across, and scale and shift of a batch norm after each."""
    return 9 * channels_in + 2 * channels_in + channels_in * channels_out + 2 * channels_out


WIDTHS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
VIDEO = (3, 64, 128, 256, 256, 512, 512, 512, 512)
BY_HAND = {
    "lenet5": layer(25, 1, 6) + layer(25, 6, 16)
    + layer(25, 16, 120) + layer(1, 120, 84) + layer(1, 84, 10),
    "alexnet": layer(121, 3, 96) + layer(25, 96, 256)
    + layer(9, 256, 384) + layer(9, 384, 384) + layer(9, 384, 256)
    + layer(36, 256, 4096) + layer(1, 4096, 4096) + layer(1, 4096, 1000),
    "network_in_network": layer(25, 3, 192) + layer(1, 192, 160) + layer(1, 160, 96)
    + layer(25, 96, 192) + 2 * layer(1, 192, 192)
    + layer(9, 192, 192) + layer(1, 192, 192) + layer(1, 192, 10),
    "go_policy": layer(25, 48, 192) + 11 * layer(9, 192, 192) + 192 + 19 * 19,
    "c3d": sum(layer(27, *each) for each in pairwise(VIDEO))
    + layer(16, 512, 4096) + layer(1, 4096, 4096) + layer(1, 4096, 101),
    "mobile": 9 * 3 * 32 + 2 * 32 + sum(separable(*each) for each in pairwise(WIDTHS))
    + layer(1, 1024, 1000),
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTED)
def test_a_network_has_the_parameters_of_its_papers_layers(name):
    """Counted layer by layer from the paper, as no paper states the number."""
    counted = COUNTED[name]
    net = counted.build(RNG, initialiser=zeros)

    assert counted.source == "our count"
    assert count_weights(net) == counted.parameters == BY_HAND[name]


@pytest.mark.parametrize("name", NAMED)
def test_the_page_says_what_the_table_says(name):
    named = NAMED[name]
    table = summary(named.build(RNG, initialiser=zeros), (1, *named.input_shape))

    assert table.parameters == named.parameters
    size, giga = times(named.input_shape), f"{table.multiply_adds / 1e6:,.1f} M"
    row = f"| `{name}` | {size} | {table.parameters:,} | {named.source} | {giga} |"
    assert row in PAGE


@pytest.mark.parametrize("width", [0, -1, np.nan, np.inf])
def test_a_width_that_is_none_is_refused(width):
    with pytest.raises(GeometryError, match=f"width: got {width}; expected a number above 0"):
        networks.mobile(RNG, width=width, initialiser=zeros)


@pytest.mark.parametrize("name", [*NAMED, "sentence_classifier", "video"])
def test_zeros_draw_no_weight(name):
    """Nothing of the generator is used."""
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    if name == "sentence_classifier":
        networks.sentence_classifier(rng, 1_000_000, initialiser=zeros)
    elif name == "video":
        networks.video(rng, 4, initialiser=zeros)
    else:
        NAMED[name].build(rng, initialiser=zeros)

    assert rng.bit_generator.state == before


def test_a_network_of_zeros_takes_no_memory():
    """553 MB are promised, none is touched until weights are written."""
    program = """
from pathlib import Path
from resource import getpagesize
import numpy as np
from cnn_core.init import zeros
from cnn_core.networks import vgg16

def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize()

before = resident_bytes()
net = vgg16(np.random.default_rng(0), initialiser=zeros)
print(resident_bytes() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert int(done.stdout) < 5_000_000


@pytest.mark.parametrize(
    ("name", "giga"),
    [
        # As torchvision publishes them with its weights ("_ops").
        ("vgg16", 15.47),
        ("vgg19", 19.632),
        ("resnet18", 1.814),
        ("resnet34", 3.664),
        ("resnet50", 4.089),
        ("resnet152", 11.514),
        ("densenet121", 2.834),
        # Howard et al. 2017, table 4: 569 million.
        ("mobile", 0.569),
        # By hand: 105.4 + 447.9 + 149.5 + 224.3 + 149.5 + 37.7 + 16.8 + 4.1 million.
        ("alexnet", 1.1353),
    ],
)
def test_a_network_takes_the_known_number_of_multiply_adds(name, giga):
    published = NAMED[name]

    table = summary(published.build(RNG, initialiser=zeros), (1, *published.input_shape))
    assert table.multiply_adds / 1e9 == pytest.approx(giga, rel=1e-3)


@pytest.mark.parametrize("name", NARROW)
def test_a_narrow_network_runs_and_learns(name):
    """One forward and one backward pass; every weight is part of the answer."""
    net, shape = NARROW[name]
    x = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    y, pull = net.vjp_weights(x, np.random.default_rng(3))

    assert y.shape == net.output_shape(shape)
    assert np.isfinite(y).all()
    gradient = pull(np.random.default_rng(4).standard_normal(y.shape).astype(np.float32))
    for path, array in leaves(gradient):
        assert np.isfinite(array).all(), path
        assert array.any(), path
    assert net.forward(x).shape == y.shape


def test_networks_that_end_in_a_mean_take_pictures_of_any_size():
    net, _ = NARROW["resnet18"]

    assert net.forward(np.zeros((1, 65, 97, 3), np.float32)).shape == (1, 1000)


def test_the_first_layers_of_resnet_see_what_the_paper_says():
    """7 x 7 at stride 2, 3 x 3 at stride 2, four stages: 56, 28, 14, 7; 2048 channels at last."""
    rows = summary(networks.resnet50(RNG, initialiser=zeros), PICTURE).rows
    sums = [row for row in rows if row.layer == "Sum" and row.depth == 0]

    assert (rows[0].receptive_field, rows[0].stride) == ((7, 7), (2.0, 2.0))
    assert [row.output_shape[1] for row in sums] == [56] * 3 + [28] * 4 + [14] * 6 + [7] * 3
    assert sums[-1].output_shape == (1, 7, 7, 2048)
    assert sums[-1].stride == (32.0, 32.0)
    assert rows[-2].receptive_field is None


def test_alexnet_has_its_normalisation_after_the_first_two_layers_only():
    net = networks.alexnet(RNG, width=1 / 16)
    plain = networks.alexnet(RNG, width=1 / 16, normalise=False)

    places = [i for i, layer in enumerate(net.layers) if isinstance(layer, LocalResponseNorm)]
    assert [type(net.layers[i - 1]) for i in places] == [Relu, Relu]
    assert len(places) == 2
    assert len(plain.layers) == len(net.layers) - 2


def test_digits_of_28_pixels_go_into_lenet_as_they_are():
    """The border is the one that 32 x 32 digits have anyway."""
    net = networks.lenet5(np.random.default_rng(0), padding=2)
    whole = networks.lenet5(np.random.default_rng(0))
    x = np.random.default_rng(1).standard_normal((2, 28, 28, 1)).astype(np.float32)
    framed = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))

    np.testing.assert_allclose(net.forward(x), whole.forward(framed), rtol=1e-5, atol=1e-5)


def test_a_sentence_is_classified_by_its_phrases_wherever_they_stand():
    """Sizes as the baseline has them; a phrase moved within the sentence changes nothing."""
    net = networks.sentence_classifier(RNG, 1000, initialiser=he)
    regions = sum(300 * size * 100 + 100 for size in (3, 4, 5))
    assert count_weights(net) == 1000 * 300 + regions + 300 * 2 + 2

    small = networks.sentence_classifier(RNG, 20, 3, channels=5, regions=(2, 3), filters=4)
    early, late = np.zeros((2, 12), np.int64)
    early[3:6] = late[7:10] = (4, 9, 2)
    logits = small.forward(np.stack((early, late)))
    assert logits.shape == (2, 3)
    np.testing.assert_allclose(logits[0], logits[1], rtol=1e-5)


def test_a_go_policy_answers_for_every_point():
    net, shape = NARROW["go_policy"]

    assert net.output_shape(shape) == (1, 49)
    assert isinstance(net, Sequential)

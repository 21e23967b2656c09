"""Networks of one size, by name: those whose number of parameters others state, and the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cnn_core.layers import Sequential
from cnn_core.networks.alexnet import alexnet
from cnn_core.networks.densenet import densenet121
from cnn_core.networks.go import go_policy
from cnn_core.networks.lenet import lenet5
from cnn_core.networks.mobile import mobile
from cnn_core.networks.nin import network_in_network
from cnn_core.networks.resnet import resnet18, resnet34, resnet50, resnet152
from cnn_core.networks.vgg import vgg16, vgg19
from cnn_core.networks.video import c3d


@dataclass(frozen=True)
class Published:
    """A network as published: `build(rng, ...)`, the input (*in, C), parameters without running
    statistics, and who states their number."""

    build: Callable[..., Sequential]
    input_shape: tuple[int, ...]
    parameters: int
    source: str


TORCHVISION = "torchvision"
"""`num_params` of its weights, as its documentation lists them."""
OUR_COUNT = "our count"
"""Nobody to the last digit: counted from the paper's description."""

PUBLISHED = {
    "vgg16": Published(vgg16, (224, 224, 3), 138_357_544, TORCHVISION),
    "vgg19": Published(vgg19, (224, 224, 3), 143_667_240, TORCHVISION),
    "resnet18": Published(resnet18, (224, 224, 3), 11_689_512, TORCHVISION),
    "resnet34": Published(resnet34, (224, 224, 3), 21_797_672, TORCHVISION),
    "resnet50": Published(resnet50, (224, 224, 3), 25_557_032, TORCHVISION),
    "resnet152": Published(resnet152, (224, 224, 3), 60_192_808, TORCHVISION),
    "densenet121": Published(densenet121, (224, 224, 3), 7_978_856, TORCHVISION),
}
"""Networks whose number of parameters others state, by name."""

COUNTED = {
    "lenet5": Published(lenet5, (32, 32, 1), 61_706, OUR_COUNT),
    "alexnet": Published(alexnet, (227, 227, 3), 62_378_344, OUR_COUNT),
    "network_in_network": Published(network_in_network, (32, 32, 3), 966_986, OUR_COUNT),
    "go_policy": Published(go_policy, (19, 19, 48), 3_882_793, OUR_COUNT),
    "c3d": Published(c3d, (16, 112, 112, 3), 78_409_573, OUR_COUNT),
    "mobile": Published(mobile, (224, 224, 3), 4_231_976, OUR_COUNT),
}
"""Networks whose papers state no number, or a rounded one, by name."""

NAMED = PUBLISHED | COUNTED
"""Both."""

"""What the publications say: each network's input and its number of parameters."""

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
    statistics."""

    build: Callable[..., Sequential]
    input: tuple[int, ...]
    parameters: int


PUBLISHED = {
    "lenet5": Published(lenet5, (32, 32, 1), 61_706),
    "alexnet": Published(alexnet, (227, 227, 3), 62_378_344),
    "vgg16": Published(vgg16, (224, 224, 3), 138_357_544),
    "vgg19": Published(vgg19, (224, 224, 3), 143_667_240),
    "network_in_network": Published(network_in_network, (32, 32, 3), 966_986),
    "resnet18": Published(resnet18, (224, 224, 3), 11_689_512),
    "resnet34": Published(resnet34, (224, 224, 3), 21_797_672),
    "resnet50": Published(resnet50, (224, 224, 3), 25_557_032),
    "resnet152": Published(resnet152, (224, 224, 3), 60_192_808),
    "densenet121": Published(densenet121, (224, 224, 3), 7_978_856),
    "go_policy": Published(go_policy, (19, 19, 48), 3_882_793),
    "c3d": Published(c3d, (16, 112, 112, 3), 78_409_573),
    "mobile": Published(mobile, (224, 224, 3), 4_231_976),
}
"""Networks of one published size, by name."""

"""Named networks at their published sizes, or narrower; all end in logits, not probabilities.

With `initialiser=init.zeros` a network is described, counted and loaded without its weights being
drawn: memory is taken when they are written.
"""

from cnn_core.networks.alexnet import alexnet
from cnn_core.networks.densenet import densenet121
from cnn_core.networks.go import go_policy
from cnn_core.networks.lenet import lenet5
from cnn_core.networks.mobile import mobile
from cnn_core.networks.nin import network_in_network
from cnn_core.networks.published import COUNTED, NAMED, PUBLISHED, Published
from cnn_core.networks.resnet import resnet18, resnet34, resnet50, resnet152
from cnn_core.networks.sentence import sentence_classifier
from cnn_core.networks.vgg import vgg16, vgg19
from cnn_core.networks.video import c3d, video

__all__ = [
    "COUNTED",
    "NAMED",
    "PUBLISHED",
    "Published",
    "alexnet",
    "c3d",
    "densenet121",
    "go_policy",
    "lenet5",
    "mobile",
    "network_in_network",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet152",
    "sentence_classifier",
    "vgg16",
    "vgg19",
    "video",
]

"""The layers: one file a kind, each with forward, backward, geometry and examples."""

from cnn_core.layers.activations import Relu, Sigmoid, Softmax
from cnn_core.layers.batchnorm import BatchNorm
from cnn_core.layers.bias import Bias
from cnn_core.layers.compose import Concat, Identity, Sequential, Sum
from cnn_core.layers.conv import Conv, Conv1d, Conv2d, Conv3d
from cnn_core.layers.dense import Dense, Flatten
from cnn_core.layers.dropout import Dropout
from cnn_core.layers.layer import Layer, Pull, Tails
from cnn_core.layers.median import MedianPool
from cnn_core.layers.pooling import MaxPool, MeanPool
from cnn_core.layers.upsample import Upsample
from cnn_core.layers.wordpath import WordPath

__all__ = [
    "BatchNorm",
    "Bias",
    "Concat",
    "Conv",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "Dense",
    "Dropout",
    "Flatten",
    "Identity",
    "Layer",
    "MaxPool",
    "MeanPool",
    "MedianPool",
    "Pull",
    "Relu",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Sum",
    "Tails",
    "Upsample",
    "WordPath",
]

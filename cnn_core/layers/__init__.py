"""The layers: one file a kind, each with forward, backward, geometry and examples."""

from cnn_core.layers.activations import (
    LeakyRelu,
    LogSoftmax,
    Relu,
    Sigmoid,
    Silu,
    Softmax,
    Tanh,
)
from cnn_core.layers.batchnorm import BatchNorm
from cnn_core.layers.bias import Bias
from cnn_core.layers.bilinear import UpsampleBilinear
from cnn_core.layers.branches import Branches, Identity
from cnn_core.layers.compose import Concat, Sequential, Sum
from cnn_core.layers.conv import Conv, Conv1d, Conv2d, Conv3d
from cnn_core.layers.dense import Dense, Flatten
from cnn_core.layers.dilated import Dilated
from cnn_core.layers.downsample import Downsample
from cnn_core.layers.dropout import Dropout
from cnn_core.layers.embedding import Embedding
from cnn_core.layers.global_pool import GlobalMaxPool, GlobalMeanPool
from cnn_core.layers.layer import Layer, Pull, Tails
from cnn_core.layers.locally_connected import LocallyConnected1d, LocallyConnected2d
from cnn_core.layers.lrn import LocalResponseNorm
from cnn_core.layers.median import MedianPool
from cnn_core.layers.network_pool import NetworkPool
from cnn_core.layers.norm_pool import NormPool
from cnn_core.layers.pooling import MaxPool, MeanPool, Pool, SumPool
from cnn_core.layers.scanning import ScanningMlp, distribute
from cnn_core.layers.separable import depthwise_separable
from cnn_core.layers.tail import Tail
from cnn_core.layers.upsample import Upsample, UpsampleZeros
from cnn_core.layers.wordpath import WordPath

__all__ = [
    "BatchNorm",
    "Bias",
    "Branches",
    "Concat",
    "Conv",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "Dense",
    "Dilated",
    "Downsample",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalMaxPool",
    "GlobalMeanPool",
    "Identity",
    "Layer",
    "LeakyRelu",
    "LocalResponseNorm",
    "LocallyConnected1d",
    "LocallyConnected2d",
    "LogSoftmax",
    "MaxPool",
    "MeanPool",
    "MedianPool",
    "NetworkPool",
    "NormPool",
    "Pool",
    "Pull",
    "Relu",
    "ScanningMlp",
    "Sequential",
    "Sigmoid",
    "Silu",
    "Softmax",
    "Sum",
    "SumPool",
    "Tail",
    "Tails",
    "Tanh",
    "Upsample",
    "UpsampleBilinear",
    "UpsampleZeros",
    "WordPath",
    "depthwise_separable",
    "distribute",
]

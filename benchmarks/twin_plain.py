"""Layers without weights as PyTorch modules: pools, resizing, activations, normalisation."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchmarks.twin_weighted import windows
from cnn_core.arrays import Integers
from cnn_core.layers import (
    Downsample,
    Dropout,
    Flatten,
    GlobalMaxPool,
    GlobalMeanPool,
    Identity,
    Layer,
    LeakyRelu,
    LocalResponseNorm,
    LogSoftmax,
    MaxPool,
    MeanPool,
    MedianPool,
    NormPool,
    Relu,
    Sigmoid,
    Silu,
    Softmax,
    SumPool,
    Tanh,
    Upsample,
    UpsampleBilinear,
    UpsampleZeros,
    WordPath,
)
from cnn_core.layers.wordpath import NEVER, may_skip, spell

LINEAR = ("linear", "bilinear", "trilinear")


class Function(nn.Module):
    """A module of a function of the batch alone."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def padded(x: Tensor, padding: Any, value: float = 0.0) -> Tensor:
    """PyTorch's pools pad both sides alike and at most by half the kernel, so it is done here."""
    if not any(map(any, padding)):
        return x
    return F.pad(x, tuple(n for pair in reversed(padding) for n in pair), value=value)


def max_pool(layer: MaxPool) -> nn.Module:
    pool: Any = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(layer.kernel) - 1]
    return Function(
        lambda x: pool(padded(x, layer.padding, -torch.inf), layer.kernel, layer.stride)
    )


def mean_pool(layer: MeanPool | SumPool) -> nn.Module:
    pool: Any = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(layer.kernel) - 1]
    factor = prod(layer.kernel) if isinstance(layer, SumPool) else 1
    return Function(lambda x: pool(padded(x, layer.padding), layer.kernel, layer.stride) * factor)


def norm_pool(layer: NormPool) -> nn.Module:
    """PyTorch sums where the core takes the mean, and wants numbers >= 0."""
    pool: Any = (F.lp_pool1d, F.lp_pool2d, F.lp_pool3d)[len(layer.kernel) - 1]
    kernel, stride = (
        (sizes[0] if len(sizes) == 1 else sizes) for sizes in (layer.kernel, layer.stride)
    )
    share = prod(layer.kernel) ** (-1 / layer.p)
    return Function(lambda x: share * pool(padded(x.abs(), layer.padding), layer.p, kernel, stride))


def median_pool(layer: MedianPool) -> nn.Module:
    """PyTorch's median is the lower of the two in the middle; here their mean."""

    def run(x: Tensor) -> Tensor:
        ranked = windows(x, layer.kernel, layer.stride).flatten(x.ndim).sort(-1).values
        size = ranked.shape[-1]
        return ranked[..., (size - 1) // 2 : size // 2 + 1].mean(-1)

    return Function(run)


def bilinear(layer: UpsampleBilinear) -> nn.Module:
    factor = tuple(map(float, layer.factor))
    return nn.Upsample(scale_factor=factor, mode=LINEAR[len(factor) - 1])


def zeros_between(layer: UpsampleZeros) -> nn.Module:
    def run(x: Tensor) -> Tensor:
        lengths = [n * f for n, f in zip(x.shape[2:], layer.factor, strict=True)]
        y = x.new_zeros(*x.shape[:2], *lengths)
        y[(..., *(slice(None, None, f) for f in layer.factor))] = x
        return y

    return Function(run)


def local_response_norm(layer: LocalResponseNorm) -> nn.Module:
    """PyTorch divides alpha by the size of the neighbourhood."""
    return nn.LocalResponseNorm(layer.size, layer.alpha * layer.size, layer.beta, layer.k)


class WordPathTwin(nn.Module):
    """The best path through the word's states in every window, one step after another."""

    def __init__(self, layer: WordPath) -> None:
        super().__init__()
        self.size, self.floor = layer.size, layer.floor
        self.words = [(spell(word), len(word)) for word in layer.spellings]

    def forward(self, x: Tensor) -> Tensor:
        distance = x - x.amax(1, keepdim=True)
        scores = [self._best(distance[:, states.tolist()], states) / n for states, n in self.words]
        return torch.stack(scores).amax(0).clamp(min=self.floor)[:, None]

    def _best(self, cost: Tensor, states: Integers) -> Tensor:
        count = cost.shape[2] - self.size + 1
        skips = torch.from_numpy(may_skip(states)).to(cost)[:, None]
        begin = torch.full((len(states), 1), NEVER, dtype=cost.dtype)
        begin[0] = 0.0
        reached = cost.new_full((len(cost), len(states), count), NEVER)
        ended = cost.new_full((len(cost), count), NEVER)
        for step in range(self.size):
            before = torch.maximum(reached, _later(reached, 1))
            before = torch.maximum(before, torch.maximum(_later(reached, 2) + skips, begin))
            reached = before + cost[:, :, step : step + count]
            ended = torch.maximum(ended, reached[:, -1])
        return ended


def _later(values: Tensor, by: int) -> Tensor:
    """Values moved `by` states on, NEVER moving in."""
    return F.pad(values[:, : max(0, values.shape[1] - by)], (0, 0, by, 0), value=NEVER)


PLAIN: dict[type[Layer], Any] = {
    WordPath: WordPathTwin,
    Flatten: lambda _: Function(lambda x: x.movedim(1, -1).flatten(1)),
    Identity: lambda _: nn.Identity(),
    Dropout: lambda layer: nn.Dropout(layer.rate),
    Relu: lambda _: nn.ReLU(),
    LeakyRelu: lambda layer: nn.LeakyReLU(layer.slope),
    Sigmoid: lambda _: nn.Sigmoid(),
    Tanh: lambda _: nn.Tanh(),
    Silu: lambda _: nn.SiLU(),
    Softmax: lambda _: nn.Softmax(dim=1),
    LogSoftmax: lambda _: nn.LogSoftmax(dim=1),
    LocalResponseNorm: local_response_norm,
    MaxPool: max_pool,
    MeanPool: mean_pool,
    SumPool: mean_pool,
    NormPool: norm_pool,
    MedianPool: median_pool,
    GlobalMaxPool: lambda _: Function(lambda x: x.flatten(2).max(2).values),
    GlobalMeanPool: lambda _: Function(lambda x: x.flatten(2).mean(2)),
    Downsample: lambda layer: Function(
        lambda x: x[(..., *(slice(None, None, f) for f in layer.factor))]
    ),
    Upsample: lambda layer: nn.Upsample(scale_factor=tuple(map(float, layer.factor))),
    UpsampleBilinear: bilinear,
    UpsampleZeros: zeros_between,
}

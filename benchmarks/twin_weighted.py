"""Layers with weights as PyTorch modules; `gradients` come in the core's order and layout."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from cnn_core.arrays import Array
from cnn_core.layers import (
    BatchNorm,
    Bias,
    Conv,
    Dense,
    Embedding,
    Layer,
    LocallyConnected1d,
    LocallyConnected2d,
)


def parameter(array: Array | None) -> nn.Parameter | None:
    """A copy that PyTorch may train."""
    return None if array is None else nn.Parameter(torch.from_numpy(array.copy()))


def windows(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Every window of a batch, by PyTorch: (N, C, *in) -> (N, C, *out, *kernel)."""
    for axis, (k, s) in enumerate(zip(kernel, stride, strict=True), start=2):
        x = x.unfold(axis, k, s)
    return x


class ConvTwin(nn.Module):
    def __init__(self, layer: Conv) -> None:
        super().__init__()
        axes = layer.axes
        self.weight = parameter(np.moveaxis(layer.weight, (-1, -2), (0, 1)))
        self.bias = parameter(layer.bias)
        self.function: Any = (F.conv1d, F.conv2d, F.conv3d)[axes - 1]
        even = all(before == after for before, after in layer.padding)
        self.settings = {
            "stride": layer.stride,
            "dilation": layer.dilation,
            "groups": layer.groups,
            "padding": tuple(b for b, _ in layer.padding) if even else (0,) * axes,
        }
        # PyTorch pads even filters the other way round, so uneven padding is put there by hand.
        self.uneven = () if even else tuple(n for pair in reversed(layer.padding) for n in pair)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, self.uneven) if self.uneven else x
        return self.function(x, self.weight, self.bias, **self.settings)  # type: ignore[no-any-return]

    def gradients(self) -> list[Tensor]:
        weight = self.weight.grad.movedim((0, 1), (-1, -2))  # type: ignore[union-attr]
        return [weight] if self.bias is None else [weight, self.bias.grad]  # type: ignore[list-item]


class LocallyConnectedTwin(nn.Module):
    def __init__(self, layer: LocallyConnected1d | LocallyConnected2d) -> None:
        super().__init__()
        self.weight, self.bias = parameter(layer.weight), parameter(layer.bias)
        self.axes, self.kernel, self.stride = layer.axes, layer.kernel, layer.stride

    def forward(self, x: Tensor) -> Tensor:
        seen = windows(x, self.kernel, self.stride)
        counts = seen.shape[2 : 2 + self.axes]
        flat = seen.reshape(*seen.shape[:2], prod(counts), prod(self.kernel))
        filters = self.weight.reshape(prod(counts), prod(self.kernel), x.shape[1], -1)  # type: ignore[union-attr]
        y = torch.einsum("ncpk,pkcd->npd", flat, filters)
        return (y.reshape(len(x), *counts, -1) + self.bias).movedim(-1, 1)

    def gradients(self) -> list[Tensor]:
        return [self.weight.grad, self.bias.grad]  # type: ignore[union-attr, list-item]


class BatchNormTwin(nn.Module):
    def __init__(self, layer: BatchNorm) -> None:
        super().__init__()
        self.scale, self.shift = parameter(layer.scale), parameter(layer.shift)
        self.register_buffer("mean", torch.from_numpy(layer.mean.copy()))
        self.register_buffer("variance", torch.from_numpy(layer.variance.copy()))
        self.settings = {"momentum": 1 - layer.momentum, "eps": layer.epsilon}

    def forward(self, x: Tensor) -> Tensor:
        # PyTorch's running variance divides by n - 1, and its momentum is one minus ours.
        running, learned = (self.mean, self.variance), (self.scale, self.shift)
        return F.batch_norm(x, *running, *learned, self.training, **self.settings)  # type: ignore[arg-type]

    def gradients(self) -> list[Tensor]:
        return [self.scale.grad, self.shift.grad]  # type: ignore[union-attr, list-item]


class DenseTwin(nn.Module):
    def __init__(self, layer: Dense) -> None:
        super().__init__()
        self.weight, self.bias = parameter(layer.weight.T), parameter(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 2:
            return F.linear(x, self.weight, self.bias)
        return F.linear(x.movedim(1, -1), self.weight, self.bias).movedim(-1, 1)

    def gradients(self) -> list[Tensor]:
        weight = self.weight.grad.T  # type: ignore[union-attr]
        return [weight] if self.bias is None else [weight, self.bias.grad]  # type: ignore[list-item]


class BiasTwin(nn.Module):
    def __init__(self, layer: Bias) -> None:
        super().__init__()
        self.bias = parameter(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias.reshape(-1, *(1 for _ in x.shape[2:]))  # type: ignore[union-attr]

    def gradients(self) -> list[Tensor]:
        return [self.bias.grad]  # type: ignore[union-attr, list-item]


class EmbeddingTwin(nn.Module):
    def __init__(self, layer: Embedding) -> None:
        super().__init__()
        self.weight = parameter(layer.weight)

    def forward(self, words: Tensor) -> Tensor:
        return F.embedding(words, self.weight).transpose(1, 2)  # type: ignore[arg-type]

    def gradients(self) -> list[Tensor]:
        return [self.weight.grad]  # type: ignore[union-attr, list-item]


WEIGHTED: dict[type[Layer], Any] = {
    Conv: ConvTwin,
    LocallyConnected1d: LocallyConnectedTwin,
    LocallyConnected2d: LocallyConnectedTwin,
    BatchNorm: BatchNormTwin,
    Dense: DenseTwin,
    Bias: BiasTwin,
    Embedding: EmbeddingTwin,
}

"""A network of the core as a PyTorch module with the same weights, channels second."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from cnn_core.arrays import Array, Integers
from cnn_core.geometry import Window, crop_offsets
from cnn_core.layers import (
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Identity,
    Layer,
    MaxPool,
    MeanPool,
    Relu,
    Sequential,
    Sigmoid,
    Softmax,
    Sum,
    Upsample,
)
from cnn_core.layers.wordpath import NEVER, WordPath, may_skip, spell


def twin(layer: Layer) -> nn.Module:
    """The PyTorch module that computes the same; its parameters are copies."""
    for kind, module in TWINS.items():
        if isinstance(layer, kind):
            return module(layer)
    raise TypeError(f"no PyTorch twin for {layer}")


def channels_second(x: Array) -> Tensor:
    """(N, *in, C) as a tensor (N, C, *in)."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))


def channels_last(y: Tensor) -> Array:
    """(N, C, *out) as an array (N, *out, C)."""
    return np.moveaxis(y.detach().numpy(), 1, -1)


class ConvTwin(nn.Module):
    def __init__(self, layer: Conv) -> None:
        super().__init__()
        axes = layer.axes
        kernel_last = np.moveaxis(layer.weight, (-1, -2), (0, 1))
        self.weight = nn.Parameter(torch.from_numpy(kernel_last.copy()))
        self.bias = (
            None if layer.bias is None else nn.Parameter(torch.from_numpy(layer.bias.copy()))
        )
        self.function: Any = (F.conv1d, F.conv2d, F.conv3d)[axes - 1]
        self.settings: dict[str, Any] = {
            "stride": layer.stride,
            "dilation": layer.dilation,
            "groups": layer.groups,
        }
        even = all(before == after for before, after in layer.padding)
        self.settings["padding"] = tuple(b for b, _ in layer.padding) if even else (0,) * axes
        self.uneven = () if even else tuple(n for pair in reversed(layer.padding) for n in pair)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, self.uneven) if self.uneven else x
        return self.function(x, self.weight, self.bias, **self.settings)  # type: ignore[no-any-return]

    def gradients(self) -> list[Tensor | None]:
        """In the order and layout of the layer's own arrays."""
        weight = self.weight.grad
        return [None if weight is None else weight.movedim((0, 1), (-1, -2))] + (
            [] if self.bias is None else [self.bias.grad]
        )


class BatchNormTwin(nn.Module):
    def __init__(self, layer: BatchNorm) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.from_numpy(layer.scale.copy()))
        self.shift = nn.Parameter(torch.from_numpy(layer.shift.copy()))
        self.register_buffer("mean", torch.from_numpy(layer.mean.copy()))
        self.register_buffer("variance", torch.from_numpy(layer.variance.copy()))
        self.settings = {"momentum": 1 - layer.momentum, "eps": layer.epsilon}

    def forward(self, x: Tensor) -> Tensor:
        # PyTorch's running variance divides by n - 1, and its momentum is one minus ours.
        return F.batch_norm(
            x, self.mean, self.variance, self.scale, self.shift, self.training, **self.settings
        )

    def gradients(self) -> list[Tensor | None]:
        return [self.scale.grad, self.shift.grad]


class DenseTwin(nn.Module):
    def __init__(self, layer: Dense) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(layer.weight.T.copy()))
        self.bias = nn.Parameter(torch.from_numpy(layer.bias.copy()))

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 2:
            return F.linear(x, self.weight, self.bias)
        return F.linear(x.movedim(1, -1), self.weight, self.bias).movedim(-1, 1)

    def gradients(self) -> list[Tensor | None]:
        weight = self.weight.grad
        return [None if weight is None else weight.T, self.bias.grad]


class FlattenTwin(nn.Module):
    def __init__(self, layer: Flatten) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x.movedim(1, -1).flatten(1)


class SumTwin(nn.Module):
    """Branches added where their windows are centred alike, as the core does."""

    def __init__(self, layer: Sum) -> None:
        super().__init__()
        self.branches = nn.ModuleList(map(twin, layer.branches))
        axes = max(len(branch.windows) for branch in layer.branches)
        windows = [branch.windows or (Window(),) * axes for branch in layer.branches]
        by_axis = [crop_offsets(axis) for axis in zip(*windows, strict=True)]
        self.drops = list(zip(*by_axis, strict=True)) or [()] * len(layer.branches)

    def forward(self, x: Tensor) -> Tensor:
        outputs = [branch(x) for branch in self.branches]
        for axis in range(len(self.drops[0])):
            place = axis + 2
            length = min(
                y.shape[place] - drop[axis] for y, drop in zip(outputs, self.drops, strict=True)
            )
            outputs = [
                y.narrow(place, drop[axis], length)
                for y, drop in zip(outputs, self.drops, strict=True)
            ]
        return torch.stack(outputs).sum(0) if len(outputs) > 2 else outputs[0] + outputs[-1]


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


def _sequence(layer: Sequential) -> nn.Module:
    return nn.Sequential(*map(twin, layer.layers))


def _pool(layer: MaxPool | MeanPool) -> nn.Module:
    kinds = (nn.MaxPool1d, nn.MaxPool2d), (nn.AvgPool1d, nn.AvgPool2d)
    kind: Any = kinds[isinstance(layer, MeanPool)][len(layer.kernel) - 1]
    module: nn.Module = kind(layer.kernel, layer.stride)
    return module


def _enlarge(layer: Upsample) -> nn.Module:
    return nn.Upsample(scale_factor=tuple(map(float, layer.factor)), mode="nearest")


TWINS: dict[type[Layer], Any] = {
    Sequential: _sequence,
    Sum: SumTwin,
    WordPath: WordPathTwin,
    Conv: ConvTwin,
    BatchNorm: BatchNormTwin,
    Dense: DenseTwin,
    Flatten: FlattenTwin,
    Identity: lambda _: nn.Identity(),
    Dropout: lambda layer: nn.Dropout(layer.rate),
    Relu: lambda _: nn.ReLU(),
    Sigmoid: lambda _: nn.Sigmoid(),
    Softmax: lambda _: nn.Softmax(dim=1),
    MaxPool: _pool,
    MeanPool: _pool,
    Upsample: _enlarge,
}


def gradients(module: nn.Module) -> list[Array]:
    """Every parameter's gradient in the order of the core's arrays, running statistics left out."""
    found: list[Array] = []
    for part in module.modules():
        if hasattr(part, "gradients"):
            found += [g.numpy() for g in part.gradients() if g is not None]
    return found

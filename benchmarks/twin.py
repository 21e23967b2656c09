"""A network of the core as a PyTorch module with the same weights, channels second."""

from __future__ import annotations

from math import prod

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.twin_plain import PLAIN, padded
from benchmarks.twin_weighted import WEIGHTED, windows
from cnn_core.arrays import Array
from cnn_core.errors import GeometryError
from cnn_core.geometry import Window, crop_offsets
from cnn_core.layers import (
    Concat,
    Dense,
    Dilated,
    Layer,
    NetworkPool,
    ScanningMlp,
    Sequential,
    Sum,
)


def twin(layer: Layer) -> nn.Module:
    """The PyTorch module that computes the same; its parameters are copies."""
    for kind, module in TWINS.items():
        if isinstance(layer, kind):
            made: nn.Module = module(layer)
            return made
    raise TypeError(f"no PyTorch twin for {layer}")


def channels_second(x: Array) -> Tensor:
    """(N, *in, C) as a tensor (N, C, *in); words (N, T) as they are."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))


def channels_last(y: Tensor) -> Array:
    """(N, C, *out) as an array (N, *out, C)."""
    return np.moveaxis(y.detach().numpy(), 1, -1)


def gradients(module: nn.Module) -> list[Array]:
    """Every parameter's gradient in the order of the core's arrays, running statistics left out."""
    found: list[Array] = []
    for part in module.modules():
        if hasattr(part, "gradients"):
            found += [g.numpy() for g in part.gradients()]
    return found


class BranchesTwin(nn.Module):
    """Branches joined where their windows are centred alike, as the core does."""

    def __init__(self, layer: Sum | Concat) -> None:
        super().__init__()
        self.branches = nn.ModuleList(map(twin, layer.branches))
        self.added = isinstance(layer, Sum)
        self.drops = list(layer.drops or self._drops(layer))

    @staticmethod
    def _drops(layer: Sum | Concat) -> list[tuple[int, ...]]:
        none: list[tuple[int, ...]] = [()] * len(layer.branches)
        try:
            axes = max(len(branch.windows) for branch in layer.branches)
        except GeometryError:  # branches that join all places have none to crop
            return none
        seen = [branch.windows or (Window(),) * axes for branch in layer.branches]
        by_axis = [crop_offsets(axis) for axis in zip(*seen, strict=True)]
        return list(zip(*by_axis, strict=True)) or none

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
        return torch.stack(outputs).sum(0) if self.added else torch.cat(outputs, dim=1)


class NetworkPoolTwin(nn.Module):
    def __init__(self, layer: NetworkPool) -> None:
        super().__init__()
        self.net = twin(layer.net)
        self.kernel, self.stride, self.padding = layer.kernel, layer.stride, layer.padding

    def forward(self, x: Tensor) -> Tensor:
        blocks = windows(padded(x, self.padding), self.kernel, self.stride)
        rows: Tensor = self.net(blocks.reshape(-1, prod(self.kernel)))
        return rows.reshape(blocks.shape[: x.ndim])


class DilatedTwin(nn.Module):
    """The inner layer on the places that each output sees, window by window."""

    def __init__(self, layer: Dilated) -> None:
        super().__init__()
        self.layer, self.dilation = twin(layer.inner), layer.dilation
        self.kernel = tuple(int(window.size) for window in layer.inner.windows)

    def forward(self, x: Tensor) -> Tensor:
        reach = [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]
        seen = windows(x, tuple(reach), (1,) * len(reach))
        seen = seen[(..., *(slice(None, None, d) for d in self.dilation))].movedim(1, x.ndim - 1)
        y = self.layer(seen.reshape(-1, x.shape[1], *self.kernel)).flatten(1)
        return y.reshape(*seen.shape[: x.ndim - 1], -1).movedim(-1, 1)  # type: ignore[no-any-return]


class ScanningTwin(nn.Module):
    """Every window cut in blocks; the first dense layer on each, the others on all together."""

    def __init__(self, layer: ScanningMlp) -> None:
        super().__init__()
        self.kernel, self.stride, self.block = layer.kernel, layer.stride, layer.block
        dense = [i for i, part in enumerate(layer.mlp.layers) if isinstance(part, Dense)]
        cut = dense[1] if len(dense) > 1 else len(layer.mlp.layers)
        self.near, self.far = (
            nn.Sequential(*map(twin, part))
            for part in (layer.mlp.layers[:cut], layer.mlp.layers[cut:])
        )

    def forward(self, x: Tensor) -> Tensor:
        axes = len(self.kernel)
        seen = windows(x, self.kernel, self.stride).movedim(1, -1)
        batch, counts = seen.shape[0], seen.shape[1 : 1 + axes]
        joint = seen.reshape(-1, *self.kernel, x.shape[1])
        for axis, size in enumerate(self.block, start=1):
            joint = joint.unfold(axis, size, size)
        rows = joint.movedim(1 + axes, -1).flatten(1 + axes).flatten(1, axes)
        hidden = self.near(rows.movedim(-1, 1)).movedim(1, -1).flatten(1)
        y: Tensor = self.far(hidden)
        return y.reshape(batch, *counts, -1).movedim(-1, 1)


COMPOSED = {
    Sequential: lambda layer: nn.Sequential(*map(twin, layer.layers)),
    Sum: BranchesTwin,
    Concat: BranchesTwin,
    Dilated: DilatedTwin,
    NetworkPool: NetworkPoolTwin,
    ScanningMlp: ScanningTwin,
}
TWINS = {**COMPOSED, **WEIGHTED, **PLAIN}

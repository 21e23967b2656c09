"""A live hop of many streams at once: ours, and peers that keep the same state by hand."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from benchmarks.competitors import inference
from benchmarks.measure import OURS, Case
from benchmarks.twin import channels_second, twin
from cnn_core.arrays import Array
from cnn_core.layers import Layer, Sequential, Sum
from cnn_core.stream import StreamBatch

Tails = Iterator[Tensor]


class HopTwin(nn.Module):
    """One hop as a user of PyTorch writes it: (x, *tails) -> (y, *tails), streams in step.

    Only for hops that are multiples of the network's stride: then every tail has one length.
    """

    def __init__(self, net: Layer) -> None:
        super().__init__()
        self.net, self.parts = net, nn.ModuleList()
        self.places: dict[int, int] = {}
        self._collect(net)

    def fresh(self, streams: int, channels: int) -> list[Tensor]:
        """Tails of streams that have heard nothing but zeros."""
        with torch.inference_mode():
            return [torch.zeros(streams, *shape) for shape in _tails(self.net, channels)]

    def forward(self, x: Tensor, *tails: Tensor) -> tuple[Tensor, ...]:
        after: list[Tensor] = []
        return (self._step(self.net, x, iter(tails), after), *after)

    def _collect(self, layer: Layer) -> None:
        if isinstance(layer, Sequential | Sum):
            for each in layer.layers if isinstance(layer, Sequential) else layer.branches:
                self._collect(each)
        else:
            self.places[id(layer)] = len(self.parts)
            self.parts.append(twin(layer))

    def _step(self, layer: Layer, x: Tensor, tails: Tails, after: list[Tensor]) -> Tensor:
        if isinstance(layer, Sequential):
            for each in layer.layers:
                x = self._step(each, x, tails, after)
            return x
        if isinstance(layer, Sum):
            return self._sum(layer, x, tails, after)
        module = self.parts[self.places[id(layer)]]
        if not _overlap(layer):
            return module(x)  # type: ignore[no-any-return]
        seen = torch.cat((next(tails), x), dim=2)
        after.append(seen[:, :, -_overlap(layer) :])
        return module(seen)  # type: ignore[no-any-return]

    def _sum(self, layer: Sum, x: Tensor, tails: Tails, after: list[Tensor]) -> Tensor:
        outputs = []
        for branch, (_, wait) in zip(layer.branches, layer.delays, strict=True):
            y = self._step(branch, x, tails, after)
            if wait:
                seen = torch.cat((next(tails), y), dim=2)
                after.append(seen[:, :, y.shape[2] :])
                y = seen[:, :, : y.shape[2]]
            outputs.append(y)
        return sum(outputs[1:], outputs[0])


def _overlap(layer: Layer) -> int:
    """Inputs that the next window shares with the last one."""
    return max(0, int(layer.windows[0].size - layer.windows[0].step)) if layer.windows else 0


def _tails(layer: Layer, channels: int) -> list[tuple[int, int]]:
    """(channels, length) of every tail, in the order in which a hop uses them."""
    shapes: list[tuple[int, int]] = []
    if isinstance(layer, Sequential):
        for each in layer.layers:
            shapes += _tails(each, channels)
            channels = each.output_shape((1, 0, channels))[-1]
    elif isinstance(layer, Sum):
        for branch, (_, wait) in zip(layer.branches, layer.delays, strict=True):
            shapes += _tails(branch, channels)
            if wait:
                shapes.append((branch.output_shape((1, 0, channels))[-1], wait))
    elif _overlap(layer):
        shapes.append((channels, _overlap(layer)))
    return shapes


def hop(name: str, net: Layer, streams: int, frames: int, bands: int, folder: Path) -> Case:
    """One more hop of every stream, by state of one's own or by hand, or the window again."""
    rng = np.random.default_rng(streams)
    fresh = rng.standard_normal((streams, frames, bands)).astype(np.float32)
    size = int(net.windows[0].size)
    # The hop repeats, so that a stream settles on one score: that of a window of repeats.
    settled = -(-size // frames) + 1
    again = np.tile(fresh, (1, settled, 1))[:, -size:]
    runs = {OURS: _ours(net, fresh), **_by_hand(net, fresh, folder)}
    for run in list(runs.values()):
        for _ in range(settled):
            run()
    whole = inference(name, net, again, folder)
    runs |= {f"{peer}, window again": run for peer, run in whole.runs.items()}
    return Case(name, runs, warm_up=1)


def _ours(net: Layer, fresh: Array) -> Callable[[], Array]:
    batch = StreamBatch(net)
    chunks = {batch.open(): chunk for chunk in fresh}
    return lambda: np.stack([heard.scores for heard in batch.step(chunks).values()])


def _by_hand(net: Layer, fresh: Array, folder: Path) -> dict[str, Callable[[], Array]]:
    module, x = HopTwin(net).eval(), channels_second(fresh)
    tails = module.fresh(len(fresh), fresh.shape[2])
    session = _exported(module, x, tails, folder / "hop.onnx")
    names = [given.name for given in session.get_inputs()]
    states = {"torch": tails, "onnxruntime": [tail.numpy() for tail in tails]}

    def by_torch() -> Array:
        with torch.inference_mode():
            y, *states["torch"] = module(x, *states["torch"])
        return y.movedim(1, -1).numpy()

    def by_onnxruntime() -> Array:
        given = dict(zip(names, [x.numpy(), *states["onnxruntime"]], strict=True))
        y, *states["onnxruntime"] = session.run(None, given)
        return np.moveaxis(y, 1, -1)

    return {"torch": by_torch, "onnxruntime": by_onnxruntime}


def _exported(
    module: nn.Module, x: Tensor, tails: list[Tensor], path: Path
) -> onnxruntime.InferenceSession:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (x, *tails), path, dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

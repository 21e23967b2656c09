"""The same network as ours, PyTorch's and ONNX Runtime's, on the same weights and input."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph

from benchmarks.measure import OURS, Case
from benchmarks.twin import channels_last, channels_second, twin
from cnn_core.arrays import Array
from cnn_core.layers import Layer
from cnn_core.stream import StreamBatch


def inference(name: str, net: Layer, x: Array, folder: Path | None) -> Case:
    """The whole output for one input; without a folder ONNX Runtime does not take part."""
    module, given = twin(net).eval(), channels_second(x)

    def by_torch() -> Array:
        with torch.inference_mode():
            return channels_last(module(given))

    runs: dict[str, Callable[[], Array]] = {OURS: lambda: net.forward(x), "torch": by_torch}
    if folder and (session := exported(net, x, folder)):
        theirs = given.numpy()
        runs["onnxruntime"] = lambda: np.moveaxis(session.run(None, {"x": theirs})[0], 1, -1)
    return Case(name, runs)


def live(name: str, net: Layer, x: Array, fresh: int, folder: Path | None) -> Case:
    """The scores that the last `fresh` inputs complete; peers keep no stream, so they see the
    whole window again."""
    whole = inference(name, net, x, folder)
    heard = x.shape[1] - fresh
    batch = StreamBatch(net)
    streams = [batch.open() for _ in x]
    batch.step(dict(zip(streams, x[:, :heard], strict=True)))

    def ours() -> Array:
        # Each run goes on from the same place.
        forks = [stream.fork() for stream in streams]
        scored = batch.step(dict(zip(forks, x[:, heard:], strict=True)))
        return np.stack([each.scores for each in scored.values()])

    return Case(name, {**whole.runs, OURS: ours})


def training(name: str, net: Layer, x: Array) -> Case:
    """Outputs as in training, then the gradients of every weight and of the input."""
    module = twin(net).train()
    given = channels_second(x)
    if given.is_floating_point():
        given.requires_grad_()
    dy = np.ones_like(net.forward(x))
    their_dy = channels_second(dy)
    rng = np.random.default_rng(0)

    def ours() -> Array:
        y, pull = net.vjp(x, rng)
        pull(dy)
        return y

    def by_torch() -> Array:
        module.zero_grad()
        given.grad = None
        y = module(given)
        y.backward(their_dy)
        return channels_last(y)

    random = any(isinstance(part, torch.nn.Dropout) for part in module.modules())
    return Case(name, {OURS: ours, "torch": by_torch}, warm_up=1, random=random)


def exported(net: Layer, x: Array, folder: Path) -> onnxruntime.InferenceSession | None:
    """The network in ONNX Runtime on one thread, if PyTorch's exporter has a sound form for it."""
    path, given = folder / "net.onnx", (channels_second(x),)
    try:
        # The exporter prints the graph of what it does not know.
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(twin(net).eval(), given, path, input_names=["x"], dynamo=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        providers = ["CPUExecutionProvider"]
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=providers)
    except (torch.onnx.errors.OnnxExporterError, Fail, InvalidGraph):
        return None

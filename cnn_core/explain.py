"""What a network looks at: gradients, occlusion, receptive fields in effect, strongest patches.

Pure functions of a network and a batch of inputs (N, *in, C). The network answers one score for
each label, (N, L), or a map of them, (N, *out, L); inner layers are asked by cutting the network:
`Sequential(net.layers[:3])`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from math import prod
from typing import Any, Literal

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import CoreError, GeometryError, ShapeError
from cnn_core.geometry import Window
from cnn_core.layers import Layer, Relu
from cnn_core.layers.layer import Pull

Place = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Patch:
    """What one output saw of an input (zeros beyond its border), and what it answered."""

    score: float
    sample: int
    place: Place
    pixels: Array


def gradient_map(net: Layer, x: Array, label: int, place: Place | None = None) -> Array:
    """How each input moves the score of `label`: d score / d x, of the shape of x.

    Saliency (Simonyan et al. 2014). Without a place, that of each input's highest score.
    """
    y, pull = net.vjp(x)
    dy = np.zeros_like(y)
    for sample, at in enumerate(_places(y, label, place)):
        dy[(sample, *at, label)] = 1
    return pull(dy)[0]


Rule = Literal["gradient", "deconvnet", "guided"]


def project_back(
    net: Layer, x: Array, label: int, place: Place | None = None, rule: Rule = "guided"
) -> Array:
    """One unit's activity sent back to the input, ReLU by ReLU: of the shape of x.

    `gradient` lets back what was positive on the way forward, `deconvnet` what is positive on the
    way back (Zeiler and Fergus 2014), `guided` what is both (Springenberg et al. 2015). Pooling
    sends back to where its maximum was. A picture of the part that excites, not of evidence.

    Raises CoreError for these two where no ReLU is; other activations keep their own gradient.
    """
    if rule not in ("gradient", "deconvnet", "guided"):
        raise CoreError(f'rule: got {rule!r}; expected "gradient", "deconvnet" or "guided"')
    if rule == "gradient":
        return gradient_map(net, x, label, place)
    if not _has_relu(net):
        raise CoreError(
            f'rule: got "{rule}" for a network without a Relu; expected one with a Relu, whose way '
            'back it changes, or the rule "gradient"'
        )
    return gradient_map(_with_rule(net, rule), x, label, place)


def occlusion_map(
    net: Layer, x: Array, label: int, size: int, stride: int = 1, fill: float = 0.0
) -> Array:
    """How far the score of `label` falls with a patch of the input covered: (N, *patches).

    Patch i hides the inputs `Window(size, stride).span(i)` of each axis behind `fill` (Zeiler and
    Fergus 2014). A map of scores counts with its maximum.
    """
    window = Window(size, stride)
    counts = tuple(window.count(n) for n in x.shape[1:-1])
    if 0 in counts:
        raise GeometryError(
            f"occlusion_map: got a patch of {size} for inputs of {x.shape[1:-1]}; "
            "expected a patch that fits"
        )
    whole = _highest(net.forward(x), label)
    falls = np.empty((len(x), *counts), whole.dtype)
    for index in np.ndindex(*counts):
        hidden = tuple(slice(*window.span(i)) for i in index)
        covered = x.copy()
        covered[:, *hidden] = fill
        falls[:, *index] = whole - _highest(net.forward(covered), label)
    return falls


def effective_receptive_field(net: Layer, x: Array, place: Place | None = None) -> Array:
    """How much each input of one output's window matters: (*size of the window), sum 1.

    The gradient of that output, all its channels alike, squared and averaged over the batch and
    the input's channels (Luo et al. 2016 with the square for the magnitude): most often a bell
    much narrower than the window. Without a place, the output in the middle of the map.
    """
    y, pull = net.vjp(x)
    if place is None:
        place = tuple(n // 2 for n in y.shape[1:-1])
    dy = np.zeros_like(y)
    for sample, at in enumerate(_places(y, 0, place)):
        dy[(sample, *at)] = 1
    energy: Array = np.square(pull(dy)[0]).sum(axis=(0, -1))
    field = _cut(energy[..., None], _spans(net, place))[..., 0]
    total = float(field.sum())
    return field / total if total > 0 else field


def shortest(energy: Array, share: float) -> tuple[int, int]:
    """The shortest [first, past) with that share of the energy (n,); all where there is none."""
    total = np.concatenate(([0.0], np.cumsum(energy)))
    if total[-1] <= 0:
        return 0, len(energy)
    # For each first place the earliest past that holds enough.
    enough = np.searchsorted(total, total[:-1] + share * total[-1])
    possible = np.flatnonzero(enough < len(total))
    first = int(possible[np.argmin(enough[possible] - possible)])
    return first, int(enough[first])


def most_activating_patches(net: Layer, x: Array, channel: int, count: int = 9) -> list[Patch]:
    """The `count` parts of the inputs that excite a channel most, one of each input, best first.

    Each is cut out by the geometry of the network: exactly what that output saw.
    """
    y = net.forward(x)
    places = _places(y, channel, None)
    scores = [float(y[(sample, *at, channel)]) for sample, at in enumerate(places)]
    best = np.argsort(scores)[::-1][:count]
    return [Patch(scores[i], int(i), places[i], _cut(x[i], _spans(net, places[i]))) for i in best]


def _places(y: Array, label: int, place: Place | None) -> list[Place]:
    """For each sample the place asked for, or that of its highest score."""
    inner = y.shape[1:-1]
    scores = _scores(y, label)
    if place is None:
        best = scores.argmax(axis=1)
        return [tuple(map(int, np.unravel_index(i, inner))) if inner else () for i in best]
    if len(place) != len(inner) or not all(0 <= i < n for i, n in zip(place, inner, strict=True)):
        raise ShapeError(f"place: got {place}; expected a place of a map of {inner}")
    return [place] * len(y)


def _highest(y: Array, label: int) -> Array:
    highest: Array = _scores(y, label).max(axis=1)
    return highest


def _scores(y: Array, label: int) -> Array:
    """The scores of a label at every place: (N, places), at least one place."""
    if not 0 <= label < y.shape[-1]:
        raise ShapeError(f"label: got {label}; expected 0 to {y.shape[-1] - 1}")
    places = prod(y.shape[1:-1])
    if places == 0:
        raise GeometryError(
            f"got a map of shape {y.shape}, without places; expected inputs as large as a window"
        )
    return y[..., label].reshape(len(y), places)


def _spans(net: Layer, place: Place) -> list[tuple[int, int]]:
    if len(net.windows) != len(place):
        raise GeometryError(
            f"{net}: got a place {place} for {len(net.windows)} swept axes; expected an index of "
            "its output on each"
        )
    return [window.span(i) for window, i in zip(net.windows, place, strict=True)]


def _cut(picture: Array, spans: list[tuple[int, int]]) -> Array:
    """The part of (*in, C) within the spans, zeros where they reach beyond."""
    part = np.zeros((*(end - start for start, end in spans), picture.shape[-1]), picture.dtype)
    lengths = list(zip(picture.shape[:-1], spans, strict=True))
    source = tuple(slice(max(0, start), max(0, min(n, end))) for n, (start, end) in lengths)
    target = tuple(
        slice(s.start - start, max(s.start, s.stop) - start)
        for s, (start, _) in zip(source, spans, strict=True)
    )
    part[target] = picture[source]
    return part


@dataclass(frozen=True, eq=False)
class _RuledRelu(Relu, abstract=True):
    """A ReLU whose way back follows a rule; no layer of its own, as it is no derivative."""

    guided: bool = False

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        y, pull = super().vjp(x, rng)

        def pull_positive(dy: Array) -> tuple[Array, Any]:
            positive = np.maximum(dy, 0)
            return (pull(positive)[0] if self.guided else positive), self

        return y, pull_positive


def _has_relu(node: Any) -> bool:
    if isinstance(node, tuple):
        return any(map(_has_relu, node))
    if is_dataclass(node) and not isinstance(node, type):
        return type(node) is Relu or any(_has_relu(getattr(node, f.name)) for f in fields(node))
    return False


def _with_rule(node: Any, rule: Rule) -> Any:
    """The network with every ReLU's way back replaced."""
    if type(node) is Relu:
        return _RuledRelu(guided=rule == "guided")
    if isinstance(node, tuple):
        return tuple(_with_rule(item, rule) for item in node)
    if is_dataclass(node) and not isinstance(node, type):
        changes = {f.name: _with_rule(getattr(node, f.name), rule) for f in fields(node)}
        return replace(node, **changes)
    return node

"""What the filters learn: filters, strongest patches, projections, receptive fields in effect.

Of LeNet-5 trained on digits (digits.py, which is run first where it has not been) and of the
flower detector that ships with the service.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle

from cnn_core import modelfile
from cnn_core.arrays import Array
from cnn_core.explain import (
    Patch,
    effective_receptive_field,
    most_activating_patches,
    occlusion_map,
    project_back,
)
from cnn_core.layers import Conv2d, Layer, Sequential
from examples.digits import trained
from examples.mnist import Digits, training_digits
from examples.running import FAINT, INK, RED, flags, parsed, picture, run, save
from sweepnet_service.detectors.image.network import flower_net

SECOND = 5
"""Layers of LeNet-5 up to the second convolution's units."""
CHANNELS, PATCHES = 5, 7
FIELD_PX = 416
"""Of the noise that the flower detector sees: its widest window fits."""
DIVERGING = {"cmap": "PuOr_r"}


def symmetric(values: Array) -> dict[str, Any]:
    """White at zero, as far to either side."""
    limit = float(np.abs(values).max()) or 1.0
    return {**DIVERGING, "vmin": -limit, "vmax": limit}


def first_filters(panel: SubFigure, conv: Conv2d, title: str, rows: int) -> None:
    """Each filter as a picture: in colour where it sees three channels."""
    filters = np.moveaxis(conv.weight, -1, 0)
    grid = panel.subplots(rows, -(-len(filters) // rows), squeeze=False)
    for axes, kernel in zip(grid.flat, filters, strict=True):
        if kernel.shape[-1] == 3:
            picture(axes, 0.5 + kernel / (2 * np.abs(kernel).max()))
        else:
            picture(axes, kernel[..., 0], **symmetric(kernel))
    headline(panel, title)


def headline(panel: SubFigure, title: str) -> None:
    panel.suptitle(title, fontsize=10, color=INK, x=0.02, ha="left")


def units(panel: SubFigure, net: Sequential, digits: Digits) -> None:
    """Rows of the patches that excite a unit most, each above what excited it in there."""
    deep = Sequential(net.layers[:SECOND])
    shown = strongest(deep, digits)
    grid = panel.subplots(2 * len(shown), PATCHES)
    for number, patches in enumerate(shown.values()):
        for axes, below, patch in zip(grid[2 * number], grid[2 * number + 1], patches, strict=True):
            picture(axes, patch.pixels[..., 0], vmin=0, vmax=1)
            part = back(deep, digits, list(shown)[number], patch)
            picture(below, part, **symmetric(part))
    size = deep.windows[0].size
    headline(
        panel, f"Second layer: patches of {size} x {size} px that excite a unit most; below, guided"
    )


def strongest(net: Sequential, digits: Digits) -> dict[int, list[Patch]]:
    """The patches of the channels that answer most strongly."""
    peaks = np.array([net.forward(x).max(axis=(0, 1, 2)) for x in np.split(digits.pictures, 10)])
    channels = np.argsort(peaks.max(axis=0))[::-1][:CHANNELS]
    return {
        int(channel): most_activating_patches(net, digits.pictures, int(channel), PATCHES)
        for channel in sorted(channels)
    }


def back(net: Sequential, digits: Digits, channel: int, patch: Patch) -> Array:
    """The unit projected back to its patch: the part of the whole picture's projection."""
    digit = digits.pictures[patch.sample : patch.sample + 1]
    whole = project_back(net, digit, channel, patch.place)[0, ..., 0]
    spans = [w.span(i) for w, i in zip(net.windows, patch.place, strict=True)]
    part = np.zeros(patch.pixels.shape[:2], whole.dtype)
    inside = tuple(slice(max(0, a), b) for a, b in spans)
    cut = whole[inside]
    top, left = (max(0, -a) for a, _ in spans)
    part[top : top + cut.shape[0], left : left + cut.shape[1]] = cut
    return part


def verdict(panel: SubFigure, net: Sequential, digits: Digits) -> None:
    """One digit, and what its verdict rests on, told in four ways."""
    row = int(np.flatnonzero(digits.labels == 3)[2])
    x, label = digits.pictures[row : row + 1], 3
    maps = {
        "digit": x[0, ..., 0],
        "gradient": project_back(net, x, label, rule="gradient")[0, ..., 0],
        "deconvnet": project_back(net, x, label, rule="deconvnet")[0, ..., 0],
        "guided": project_back(net, x, label, rule="guided")[0, ..., 0],
        "fall when covered": occlusion_map(net, x, label, size=5)[0],
    }
    for axes, (name, found) in zip(panel.subplots(1, len(maps)), maps.items(), strict=True):
        how: dict[str, Any] = {"vmin": 0, "vmax": 1} if name == "digit" else symmetric(found)
        picture(axes, found, name, **how)
    headline(panel, "Why this is a 3: its score projected back; 5 x 5 px covered")


def fields(panel: SubFigure, nets: dict[str, tuple[Layer, Array]]) -> None:
    """How much each input of one output's window matters, and how far half of it reaches."""
    for axes, (name, (net, x)) in zip(panel.subplots(1, len(nets)), nets.items(), strict=True):
        field = effective_receptive_field(net, x)
        half, most = (holding(field, share) for share in (0.5, 0.95))
        side = field.shape[0]
        picture(axes, np.sqrt(field), cmap="magma_r")
        for width, style in ((half, "-"), (most, "--")):
            corner = ((side - width) / 2 - 0.5,) * 2
            axes.add_patch(Rectangle(corner, width, width, fill=False, color=RED, ls=style, lw=1))
        axes.spines[:].set_visible(True)
        axes.spines[:].set_color(FAINT)
        told = f"{name}\n{side} px wide, half within {half},\n95 % within {most}"
        axes.set_title(told, fontsize=8, color=INK)
        print(f"receptive field, {name}: {side} px; half of it within {half}, 95 % within {most}")
    headline(panel, "Effective receptive fields (root of the mean squared gradient)")


def holding(field: Array, share: float) -> int:
    """The side of the smallest centred square that holds a share of the field."""
    rows, columns = (np.abs(np.arange(n) - (n - 1) / 2) for n in field.shape)
    reach = np.maximum(rows[:, None], columns[None]).ravel()
    order = np.argsort(reach)
    total = np.cumsum(field.ravel()[order])
    return round(2 * float(reach[order][np.searchsorted(total, share * total[-1])]) + 1)


def draw(net: Sequential, flower: Sequential, digits: Digits, noise: Array, path: Path) -> None:
    """The whole sheet."""
    figure = Figure(figsize=(11, 8.4), layout="constrained")
    halves: Any = figure.subfigures(1, 2, width_ratios=(1, 1.12))
    left, right = halves
    filters, flowers, verdicts, reach = left.subfigures(4, 1, height_ratios=(0.6, 0.95, 0.8, 1.45))
    conv, conv_rgb = net.layers[0], flower.layers[0]
    assert isinstance(conv, Conv2d)
    assert isinstance(conv_rgb, Conv2d)
    first_filters(filters, conv, "LeNet-5: the 6 first filters, 5 x 5", 1)
    first_filters(flowers, conv_rgb, "Flower detector: the 16 first filters, 3 x 3 in colour", 2)
    verdict(verdicts, net, digits)
    fields(
        reach,
        {
            "LeNet-5, 2nd layer": (Sequential(net.layers[:SECOND]), digits.pictures[:200]),
            "flowers, untrained": (scores(flower_net(np.random.default_rng(0))), noise),
            "flowers, trained": (scores(flower), noise),
        },
    )
    units(right, net, digits)
    save(figure, path)


def scores(flower: Sequential) -> Sequential:
    """The detector's network with its score alone for an output."""
    *rest, answers = flower.layers
    assert isinstance(answers, Conv2d)
    weight, bias = answers.weight[..., :1], answers.bias
    short = None if bias is None else bias[:1]
    settings = (answers.stride, answers.dilation, answers.padding)
    return Sequential((*rest, Conv2d(weight, short, *settings)))


def main(arguments: list[str] | None = None) -> None:
    given = parsed(flags(__doc__), arguments)
    digits = training_digits().part(slice(0, 100 if given.quick else 5000))
    net = trained(given)
    shipped = Path(str(files("sweepnet_service") / "models" / "flower.safetensors"))
    flower = modelfile.load(shipped).net
    assert isinstance(flower, Sequential)
    shape = (1 if given.quick else 8, FIELD_PX, FIELD_PX, 3)
    noise = np.random.default_rng(given.seed).standard_normal(shape).astype(np.float32)
    draw(net, flower, digits, noise, given.out / "filters.png")


if __name__ == "__main__":
    run(main)

"""The two networks as they are shipped, or freshly made where no model file is there yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import sweepnet_service
from cnn_core import modelfile
from cnn_core.layers import Conv1d, Layer, Sequential, Sigmoid
from sweepnet_service.detectors.image.network import flower_net, without_species
from sweepnet_service.detectors.keyword.trunk import CHANNELS, build_trunk

MODELS = Path(sweepnet_service.__file__).parent / "models"


@dataclass(frozen=True)
class Named:
    """A network and where its weights are from."""

    net: Layer
    weights: str


def spotter() -> Named:
    """Log-mel frames (N, T, bands) to a probability a window."""
    return _shipped("welcome") or Named(_untrained_spotter(), "untrained")


def flower() -> Named:
    """Pixels (N, H, W, 3) to a map of score logit and box."""
    return _shipped("flower") or Named(
        without_species(flower_net(np.random.default_rng(0))), "untrained"
    )


def _shipped(name: str) -> Named | None:
    path = MODELS / f"{name}.safetensors"
    return Named(modelfile.load(path).net, path.name) if path.exists() else None


def _untrained_spotter() -> Layer:
    rng = np.random.default_rng(0)
    head = Conv1d.create(rng, CHANNELS, 1, kernel=20)
    return Sequential((*build_trunk(rng).layers, head, Sigmoid()))

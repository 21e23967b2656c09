"""A sentence classifier (Kim 2014; Zhang and Wallace 2017): short phrases found anywhere."""

from __future__ import annotations

import numpy as np

from cnn_core.init import Initialiser, he, normal
from cnn_core.layers import (
    Concat,
    Conv1d,
    Dense,
    Dropout,
    Embedding,
    GlobalMaxPool,
    Relu,
    Sequential,
)


def sentence_classifier(
    rng: np.random.Generator,
    vocabulary: int,
    classes: int = 2,
    *,
    channels: int = 300,
    regions: tuple[int, ...] = (3, 4, 5),
    filters: int = 100,
    dropout: float = 0.5,
    initialiser: Initialiser | None = None,
) -> Sequential:
    """Words as numbers (N, T) -> logits (N, classes), T at least the largest of `regions`.

    Every filter looks at regions of so many words in a row, and keeps the largest answer over the
    sentence. The settings are the baseline of Zhang and Wallace, table 2. Unless an initialiser is
    given, words begin with variance 1 and layers as He's.
    """
    embedding = Embedding.create(rng, vocabulary, channels, initialiser=initialiser or normal)
    drawn = initialiser or he
    towers = [
        Conv1d.create(rng, channels, filters, region, initialiser=drawn) for region in regions
    ]
    layers = (
        embedding,
        Concat(tuple(Sequential((tower, Relu(), GlobalMaxPool())) for tower in towers)),
        Dropout(dropout),
        Dense.create(rng, filters * len(regions), classes, initialiser=drawn),
    )
    return Sequential(layers)

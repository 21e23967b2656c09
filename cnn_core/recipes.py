"""Recipes: everything that decides how a network is trained, as one piece of data.

`dataclasses.replace(recipes.resnet(), batch=64)` is a recipe with one thing changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

from cnn_core.errors import TrainingError
from cnn_core.optim import Optimiser, Sgd
from cnn_core.schedules import ReduceOnPlateau, Schedule


@dataclass(frozen=True)
class Recipe:
    """Batch size, epochs, optimiser and rate; optionally clipping and an average of the weights.

    `clip` bounds the norm of a step's gradient. With `average` the trained network is the moving
    average of its weights, running = average * running + (1 - average) * weights, which follows
    faster while it is young.
    """

    batch: int
    epochs: int
    optimiser: Optimiser
    schedule: Schedule
    clip: float | None = None
    average: float | None = None

    def __post_init__(self) -> None:
        for name in ("batch", "epochs"):
            count = getattr(self, name)
            if not isinstance(count, Integral) or count < 1:
                raise TrainingError(
                    f"Recipe: got {name} {count!r}; expected 1 or more, a whole number"
                )
        if self.clip is not None and not self.clip > 0:
            raise TrainingError(f"Recipe: got clip {self.clip}; expected a norm above 0, or None")
        if self.average is not None and not 0 < self.average < 1:
            raise TrainingError(f"Recipe: got average {self.average}; expected 0 to 1, or None")


def alexnet(epochs: int = 90, patience: int = 3) -> Recipe:
    """The lectures' recipe for AlexNet (Krizhevsky et al. 2012): batches of 128, momentum 0.9,
    decay 5e-4, rate 0.01 divided by 10 when validation stops improving.

    Every weight decays, biases too, as in the paper's update rule and in PyTorch. The paper divides
    by hand; here it is done once more than `patience` epochs bring nothing.
    """
    optimiser = Sgd(0.9, weight_decay=5e-4, decay_on="all")
    return Recipe(128, epochs, optimiser, ReduceOnPlateau(0.01, 0.1, patience))


def resnet(epochs: int = 120, patience: int = 3) -> Recipe:
    """The lectures' recipe for ResNet (He et al. 2016): batches of 256, momentum 0.9, decay 1e-5,
    rate 0.1 divided by 10 when validation stops improving.

    The paper's decay is 1e-4; the lectures' figure is used here. Every weight decays, those of the
    normalisation too, as in PyTorch.
    """
    optimiser = Sgd(0.9, weight_decay=1e-5, decay_on="all")
    return Recipe(256, epochs, optimiser, ReduceOnPlateau(0.1, 0.1, patience))

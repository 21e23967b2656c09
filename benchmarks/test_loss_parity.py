"""Losses and schedules beside PyTorch's: values, gradients, rates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from cnn_core.arrays import Array, Integers
from cnn_core.losses import (
    binary_cross_entropy,
    cross_entropy,
    ctc,
    iou_loss,
    smooth_l1,
    squared_error,
)
from cnn_core.schedules import Cosine, ReduceOnPlateau, Step

RNG = np.random.default_rng(0)
LOGITS, TARGETS = 3 * RNG.standard_normal((6, 5)), RNG.random((6, 5))
CLASSES, BY_ROW, BY_ELEMENT = RNG.integers(0, 5, 6), RNG.random(6), RNG.random((6, 5))
CORNERS = RNG.uniform(0, 6, (2, 40, 2))
FOUND, TRUE = (np.concatenate((c, c + RNG.uniform(0.5, 3, c.shape)), axis=1) for c in CORNERS)


def tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.asarray(array))


def weighted(values: Tensor, weights: Array) -> Tensor:
    return (values * tensor(weights)).sum() / float(weights.sum())


def focal(logits: Tensor, targets: Tensor, gamma: float) -> Tensor:
    """Lin et al. 2017, for targets between 0 and 1 too."""
    p = logits.sigmoid()
    surprise = targets * (1 - p) ** gamma * F.logsigmoid(logits)
    return -(surprise + (1 - targets) * p**gamma * F.logsigmoid(-logits))


def generalised_iou(a: Tensor, b: Tensor) -> Tensor:
    """Rezatofighi et al. 2019, algorithm 1."""
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    inside = (high - low).clamp(min=0).prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - inside
    low, high = torch.minimum(a[:, :2], b[:, :2]), torch.maximum(a[:, 2:], b[:, 2:])
    hull = (high - low).prod(1)
    return inside / union - (hull - union) / hull


Pair = tuple[Callable[[Array], tuple[float, Array]], Callable[[Tensor], Tensor], Array]
LOSSES: dict[str, Pair] = {
    "cross-entropy": (
        lambda z: cross_entropy(z, CLASSES),
        lambda z: F.cross_entropy(z, tensor(CLASSES)),
        LOGITS,
    ),
    "label smoothing": (
        lambda z: cross_entropy(z, CLASSES, label_smoothing=0.2),
        lambda z: F.cross_entropy(z, tensor(CLASSES), label_smoothing=0.2),
        LOGITS,
    ),
    "label smoothing, weighted": (
        lambda z: cross_entropy(z, CLASSES, BY_ROW, label_smoothing=0.2),
        lambda z: weighted(
            F.cross_entropy(z, tensor(CLASSES), label_smoothing=0.2, reduction="none"), BY_ROW
        ),
        LOGITS,
    ),
    "classes left out": (
        lambda z: cross_entropy(z, np.where(CLASSES == 2, -100, CLASSES), (CLASSES != 2) * 1.0),
        lambda z: F.cross_entropy(z, tensor(np.where(CLASSES == 2, -100, CLASSES))),
        LOGITS,
    ),
    "binary": (
        lambda z: binary_cross_entropy(z, TARGETS),
        lambda z: F.binary_cross_entropy_with_logits(z, tensor(TARGETS)),
        LOGITS,
    ),
    "binary, weighted": (
        lambda z: binary_cross_entropy(z, TARGETS, BY_ELEMENT),
        lambda z: weighted(
            F.binary_cross_entropy_with_logits(z, tensor(TARGETS), reduction="none"), BY_ELEMENT
        ),
        LOGITS,
    ),
    "focal": (
        lambda z: binary_cross_entropy(z, TARGETS, focal_gamma=2.0),
        lambda z: focal(z, tensor(TARGETS), 2.0).mean(),
        LOGITS,
    ),
    "squared error": (
        lambda z: squared_error(z, TARGETS),
        lambda z: F.mse_loss(z, tensor(TARGETS)),
        LOGITS,
    ),
    "smooth L1": (
        lambda z: smooth_l1(z, TARGETS, beta=0.5),
        lambda z: F.smooth_l1_loss(z, tensor(TARGETS), beta=0.5),
        LOGITS,
    ),
    "generalised IoU": (
        lambda b: iou_loss(b, TRUE),
        lambda b: (1 - generalised_iou(b, tensor(TRUE))).mean(),
        FOUND,
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_and_its_gradient_equal_pytorchs(name: str) -> None:
    ours, theirs, at = LOSSES[name]
    given = torch.from_numpy(at.copy()).requires_grad_()
    value = theirs(given)
    value.backward()  # type: ignore[no-untyped-call]
    assert given.grad is not None
    assert ours(at)[0] == pytest.approx(value.item(), rel=1e-10)
    np.testing.assert_allclose(ours(at)[1], given.grad.numpy(), rtol=1e-9, atol=1e-12)


def sequences(rng: np.random.Generator) -> tuple[Array, Integers, list[Integers]]:
    """Logits (8, 30, 6) in float64, lengths, labels with repeats among them."""
    labels = [rng.integers(1, 6, rng.integers(0, 9)) for _ in range(8)]
    return 2 * rng.standard_normal((8, 30, 6)), rng.integers(20, 31, 8), labels


@pytest.mark.parametrize("seed", range(4))
def test_ctc_equals_pytorchs(seed: int) -> None:
    """Loss of every sequence and gradient by the logits, padding and empty labels included."""
    logits, lengths, labels = sequences(np.random.default_rng(seed))
    given = torch.from_numpy(logits.copy()).requires_grad_()
    values = F.ctc_loss(
        given.log_softmax(-1).swapaxes(0, 1),
        torch.from_numpy(np.concatenate(labels)),
        torch.from_numpy(lengths),
        torch.tensor([len(label) for label in labels]),
        reduction="none",
    )
    values.sum().backward()
    assert given.grad is not None
    losses, slopes = ctc(logits, lengths, labels)
    np.testing.assert_allclose(losses, values.detach().numpy(), rtol=1e-10)
    np.testing.assert_allclose(slopes, given.grad.numpy(), rtol=1e-8, atol=1e-10)


def test_ctc_of_labels_that_do_not_fit() -> None:
    """Both say infinity; the gradient is zero, as with PyTorch's `zero_infinity`."""
    logits, labels = np.zeros((1, 2, 3)), [np.array([1, 1])]
    losses, slopes = ctc(logits, np.array([2]), labels)
    theirs = F.ctc_loss(
        tensor(logits).log_softmax(-1).swapaxes(0, 1),
        tensor(labels[0])[None],
        torch.tensor([2]),
        torch.tensor([2]),
        reduction="none",
    )
    assert losses.tolist() == theirs.tolist() == [np.inf]
    assert not slopes.any()


def pytorch_rates(schedule: Callable[[Any], Any], figures: list[float]) -> list[float]:
    """The rate before the first and after each figure."""
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
    stepper, rates = schedule(optimiser), [0.1]
    plateau = isinstance(stepper, torch.optim.lr_scheduler.ReduceLROnPlateau)
    for figure in figures:
        optimiser.step()
        stepper.step(figure) if plateau else stepper.step()
        rates.append(optimiser.param_groups[0]["lr"])
    return rates


@pytest.mark.parametrize("seed", range(3))
def test_a_plateau_is_pytorchs(seed: int) -> None:
    figures = np.random.default_rng(seed).uniform(0.5, 1, 60).round(2).tolist()
    ours = ReduceOnPlateau(0.1, 0.5, patience=2, threshold=0.02, lowest=1e-3)
    state, rates = ours.init(), [0.1]
    for figure in figures:
        state = ours.step(state, figure)
        rates.append(ours.rate(state, 0, 1))
    theirs = pytorch_rates(
        lambda optimiser: torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimiser, factor=0.5, patience=2, threshold=0.02, min_lr=1e-3, eps=0
        ),
        figures,
    )
    np.testing.assert_allclose(rates, theirs, rtol=1e-9)


def test_steps_and_cosines_are_pytorchs() -> None:
    kinds = torch.optim.lr_scheduler
    pairs: list[tuple[Any, Callable[[Any], Any]]] = [
        (Step(0.1, (0.5, 0.75)), lambda optimiser: kinds.MultiStepLR(optimiser, [20, 30])),
        (Cosine(0.1), lambda optimiser: kinds.CosineAnnealingLR(optimiser, 40)),
    ]
    for ours, theirs in pairs:
        rates = [ours.rate(ours.init(), step, 40) for step in range(41)]
        expected = pytorch_rates(theirs, [0.0] * 40)
        np.testing.assert_allclose(rates, expected, rtol=1e-6, atol=1e-12)

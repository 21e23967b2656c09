"""How sure the figures are: 95 % intervals by a bootstrap over photos, whose boxes err together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnn_core.arrays import Array

from ..figures import Outcome

DRAWS = 1000
TAILS = (0.025, 0.975)


def intervals(
    complete: Sequence[Outcome],
    present: Sequence[Outcome],
    false: Sequence[Outcome],
    threshold: float,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """(low, high), 95 %, of what `drawn` draws."""
    draws = drawn(complete, present, false, threshold, seed)
    return {name: tails(values) for name, values in draws.items()}


def drawn(
    complete: Sequence[Outcome],
    present: Sequence[Outcome],
    false: Sequence[Outcome],
    threshold: float,
    seed: int = 0,
) -> dict[str, Array]:
    """Each figure of DRAWS draws of as many photos, with repeats: AP50, recall, precision, of the
    `complete`ly labelled; false boxes a photo without objects, and presence AUC, of `present`
    against those.
    """
    rng = np.random.default_rng(seed)
    often, often_false = (_draws(rng, len(each)) for each in (complete, false))
    figures = {
        "ap50": _average_precisions(complete, often),
        **_recall_precision(complete, often, threshold),
    }
    if false:
        told = np.array([(each.scores >= threshold).sum() for each in false], np.float64)
        figures["false_boxes_per_negative"] = often_false @ told / len(false)
        if present:
            often_present = often if present == complete else _draws(rng, len(present))
            figures["presence_auc"] = _aucs(present, false, often_present, often_false)
    return figures


def _draws(rng: np.random.Generator, count: int) -> Array:
    """How often each photo is drawn: (DRAWS, count)."""
    if count == 0:
        return np.zeros((DRAWS, 0))
    return rng.multinomial(count, np.full(count, 1 / count), size=DRAWS).astype(np.float64)


def tails(values: Array) -> tuple[float, float]:
    """The middle 95 %."""
    low, high = np.quantile(values, TAILS)
    return float(low), float(high)


def _average_precisions(outcomes: Sequence[Outcome], often: Array) -> Array:
    """AP50 of each draw: a photo drawn twice has its boxes twice."""
    scores = np.concatenate([np.zeros(0), *(each.scores for each in outcomes)])
    right = np.concatenate([np.zeros(0, bool), *(each.right for each in outcomes)]).astype(bool)
    photo = np.repeat(np.arange(len(outcomes)), [len(each.scores) for each in outcomes])
    true = np.array([each.true_count for each in outcomes], np.float64)
    order = np.argsort(-scores, kind="stable")
    right, photo = right[order], photo[order]
    values = []
    for times in often:
        weight = times[photo]
        precision = np.cumsum(weight * right) / np.maximum(np.cumsum(weight), 1e-12)
        falling = np.maximum.accumulate(precision[::-1])[::-1]
        values.append((falling * weight * right).sum() / max(float(times @ true), 1.0))
    return np.array(values)


def _recall_precision(
    outcomes: Sequence[Outcome], often: Array, threshold: float
) -> dict[str, Array]:
    hits = np.array([each.right[each.scores >= threshold].sum() for each in outcomes], np.float64)
    told = np.array([(each.scores >= threshold).sum() for each in outcomes], np.float64)
    true = np.array([each.true_count for each in outcomes], np.float64)
    found = often @ told
    return {
        "recall": often @ hits / np.maximum(often @ true, 1.0),
        "precision": np.where(found > 0, often @ hits / np.maximum(found, 1.0), 1.0),
    }


def _aucs(
    positive: Sequence[Outcome], negative: Sequence[Outcome], often: Array, often_false: Array
) -> Array:
    """Presence AUC of each draw, from all pairs of photos."""
    yes = np.array([each.presence for each in positive])[:, None]
    no = np.array([each.presence for each in negative])[None]
    above = (yes > no) + 0.5 * (yes == no)
    return np.asarray(
        np.einsum("dp,pn,dn->d", often, above, often_false, optimize=True)
        / (len(positive) * len(negative))
    )

"""Options of a training, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict


class TrainOptions(TypedDict, total=False):
    """What a training may be told beside its data and the model's name.

    `labels`: the words, or the one kind of object, to find; the model's name by default.
    `base_model`: the model that is learnt from, of words its trunk. `budget_minutes`: minutes of
    one core for its steps. `false_alarms_per_hour`: what thresholds are set for. `promotion`:
    whether the version becomes live. `request_id`: sent twice with the same one a request starts
    one training. `settings`: those of `sweepnet train --help`, by name. `without_captures`:
    answers of reviews are not learnt from.
    """

    labels: Sequence[str]
    base_model: str
    budget_minutes: float
    false_alarms_per_hour: float
    promotion: Literal["unless worse", "always", "never"]
    request_id: str
    settings: Mapping[str, Any]
    without_captures: bool

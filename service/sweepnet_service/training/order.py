"""What is ordered of the workers, and how far it is.

queued -> running -> succeeded | failed
  ^  |       |
  |  +-------+-> cancelling -> cancelled
  |
failed, cancelled: resumed, from what they kept
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from sweepnet_service.progress import Progress

Task = Literal["training", "comparison"]
State = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
Promotion = Literal["unless worse", "always", "never"]
FOLLOWS: Mapping[State, tuple[State, ...]] = {
    "queued": ("running", "cancelled"),
    "running": ("succeeded", "failed", "cancelling", "queued"),
    "cancelling": ("cancelled", "succeeded", "failed"),
    "succeeded": (),
    "failed": ("queued",),
    "cancelled": ("queued",),
}
ENDS = ("succeeded", "failed", "cancelled")
WAITING = Progress("waiting", 0, 0)


@dataclass(frozen=True)
class Order:
    """A training: kind, resource name of the model, folder of data, settings by name. Or a
    comparison of `model`, a version, with `baseline`.

    `data_set` names the data to people: the resource name of one that was sent, else its folder's.
    `captures` is the folder whose answers are learnt from too; "": none are.
    """

    kind: str
    model: str
    data: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    task: Task = "training"
    data_set: str = ""
    labels: tuple[str, ...] = ()
    base_model: str = ""
    budget_minutes: float = 0.0
    false_alarms_per_hour: float = 0.0
    promotion: Promotion = "unless worse"
    baseline: str = ""
    captures: str = ""

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {**asdict(self), "data": str(self.data), "labels": list(self.labels)}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Order:
        """What `to_json` told."""
        return cls(**{**kept, "data": Path(kept["data"]), "labels": tuple(kept["labels"])})


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file of a data set; `refused`: the data set cannot be used with it."""

    file: str
    reason: str
    refused: bool = False


@dataclass(frozen=True)
class Failure:
    """Why a job failed: the error's class by name, where, and its message."""

    kind: str
    where: str
    message: str


@dataclass(frozen=True)
class Job:
    """An order and how far it is; times in seconds since 1970."""

    id: str
    order: Order
    created_s: float
    updated_s: float
    state: State = "queued"
    progress: Progress = WAITING
    attempt: int = 0
    problems: Sequence[Problem] = ()
    problem_count: int = 0
    budget_steps: int = 0
    failure: Failure | None = None
    result: Mapping[str, Any] | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more, unless it is resumed."""
        return self.state in ENDS

    @property
    def name(self) -> str:
        """`operations/1f3a`."""
        return f"operations/{self.id}"

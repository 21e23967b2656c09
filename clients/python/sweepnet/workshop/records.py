"""What the workshop tells, as plain records; times are in seconds since 1970."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sweepnet.results import Model


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file of a data set; `refused`: the set cannot be used because of it."""

    file: str
    reason: str
    refused: bool


@dataclass(frozen=True)
class ComparedFigure:
    """One figure of two models, with the 95 % interval of candidate minus baseline."""

    label: str
    figure: str
    candidate: float
    baseline: float
    difference_low: float
    difference_high: float
    worse: bool


@dataclass(frozen=True)
class Comparison:
    """Two versions on one data set; `worse` where any figure is, beyond its interval."""

    candidate: str
    baseline: str
    figures: tuple[ComparedFigure, ...]
    worse: bool
    data_set: str


@dataclass(frozen=True)
class Job:
    """A training or a comparison as it was when asked.

    `model` is there once a training has succeeded, `comparison` where something was compared;
    `problems` are the first thousand of `problem_count`. Listed with others a job has no problems,
    and of its model the name, kind, size and version alone.
    """

    name: str
    task: str
    kind: str
    state: str
    stage: str
    done: int
    total: int
    seconds_left: float | None
    message: str
    model_name: str
    created_s: float
    updated_s: float
    attempt: int = 0
    budget_steps: int = 0
    problems: tuple[Problem, ...] = ()
    problem_count: int = 0
    model: Model | None = None
    version: str = ""
    promoted: bool = False
    not_promoted_because: str = ""
    comparison: Comparison | None = None
    error: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more, unless it is resumed."""
        return self.state in ("succeeded", "failed", "cancelled")


@dataclass(frozen=True)
class Version:
    """A version of a detector: which aliases name it, and where it comes from; `capture_count`
    answered captures are among its data.
    """

    name: str
    aliases: tuple[str, ...]
    created_s: float
    size_bytes: int
    sha256: str
    metrics: Mapping[str, Any] = field(default_factory=dict)
    operation: str = ""
    data_set: str = ""
    data_sha256: str = ""
    base_model: str = ""
    code_version: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    capture_count: int = 0


@dataclass(frozen=True)
class DataSet:
    """A data set that was sent to the server; `sha256` once it is complete."""

    name: str
    complete: bool
    sha256: str
    file_count: int
    size_bytes: int
    created_s: float


@dataclass(frozen=True)
class Capture:
    """A detection near its threshold that the server keeps until `expires_s`.

    `answer`: whether a person said that it holds the label; None: nobody did. Of audio `start_s`
    and `end_s` tell where the word is, of a picture `area_px` (left, top, right, bottom) where the
    object is. `content` is a WAV file or the picture's; empty in lists.
    """

    name: str
    kind: str
    detector: str
    label: str
    score: float
    threshold: float
    answer: bool | None
    created_s: float
    expires_s: float
    size_bytes: int
    start_s: float = 0.0
    end_s: float = 0.0
    area_px: tuple[float, float, float, float] | None = None
    content: bytes = field(default=b"", repr=False)

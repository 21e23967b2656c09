"""A keyword detector: what a model file of kind "keyword" holds, ready to be shared by streams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, logit

from cnn_core import modelfile
from cnn_core.errors import CoreError
from cnn_core.fold import fold
from cnn_core.geometry import Window
from cnn_core.layers import Layer
from sweepnet_service.detectors.keyword.frontend import FrontEnd, front_end
from sweepnet_service.errors import InvalidInput, ModelUnreadable, NotFound

KIND, PHONE_KIND = "keyword", "phones"
"""Kinds of files: detectors of words; a phone trunk, whose labels are phones."""
FEWEST_HOURS = 0.3
"""With less speech behind them rates of false alarms are no ground to choose a threshold on."""
SMALLEST = 1e-12


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold with the false alarms and misses (share, 0..1) measured at it.

    `measured_hours` of other speech stand behind the rate; 0 where a file does not say.
    """

    threshold: float
    false_alarms_per_hour: float
    miss_rate: float
    measured_hours: float = 0.0

    @property
    def extrapolated(self) -> bool:
        """Whether less than one false alarm was to be expected in the hours measured."""
        return self.false_alarms_per_hour * self.measured_hours < 1

    @property
    def tells_rate(self) -> bool:
        """Whether a threshold may be chosen by its rate."""
        enough = self.measured_hours >= FEWEST_HOURS or not self.measured_hours
        return enough and self.false_alarms_per_hour > 0


@dataclass(frozen=True)
class Placement:
    """Where the word lies, in seconds after the start of the window that scores highest."""

    start_s: float
    end_s: float


@dataclass(frozen=True)
class Decision:
    """How scores become events: see cnn_core.decide.Hysteresis."""

    release: float = 0.5
    refractory_s: float = 0.5
    longest_s: float = 1.5


@dataclass(frozen=True, eq=False)
class KeywordDetector:
    """`net` maps features (N, T, bands) to a probability a label (N, T', labels); immutable."""

    labels: tuple[str, ...]
    features: FrontEnd
    net: Layer = field(repr=False)
    placements: Mapping[str, Placement]
    operating_points: dict[str, tuple[OperatingPoint, ...]]
    default_thresholds: dict[str, float]
    card: dict[str, Any] = field(repr=False)
    decision: Decision = Decision()
    kind: str = KIND

    @property
    def rate_hz(self) -> int:
        return self.features.rate_hz

    @cached_property
    def window(self) -> Window:
        """What one score sees, in samples at `rate_hz`."""
        frames = Window(self.features.width_samples, self.features.hop_samples)
        return frames @ self.net.windows[0]

    @property
    def window_s(self) -> float:
        return float(self.window.size) / self.rate_hz

    @property
    def hop_s(self) -> float:
        return float(self.window.step) / self.rate_hz

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """One window as the network takes it: (1, frames, bands)."""
        return (1, int(self.net.windows[0].size), self.features.bands)

    @cached_property
    def padding_samples(self) -> int:
        """Silence put before and after a signal, so that a word at its edge is scored whole."""
        step = int(self.window.step)
        return int(self.window.size) // step * step

    def threshold_for(self, label: str, false_alarms_per_hour: float) -> float:
        """The threshold at which `label` tells so many false alarms an hour of other speech.

        Between two kept operating points the log odds of the threshold are linear in the log of
        the rate, as in an exponential tail. Raises InvalidInput for a rate outside of them.
        """
        points = sorted(
            (point.false_alarms_per_hour, point.threshold)
            for point in self.operating_points.get(label, ())
            if point.tells_rate
        )
        if not points:
            raise InvalidInput(
                "false_alarms_per_hour",
                f"got {false_alarms_per_hour:g} for {label!r}, of which its model does not know: "
                "it was tuned on too little other speech; choose a threshold, or tune it on more",
            )
        if not points[0][0] <= false_alarms_per_hour <= points[-1][0]:
            raise InvalidInput(
                "false_alarms_per_hour",
                f"got {false_alarms_per_hour:g} for {label!r}; its model measured "
                f"{points[0][0]:g} to {points[-1][0]:g} false alarms an hour; choose a rate in "
                "that range, or a threshold",
            )
        rates, thresholds = np.array(points).T
        odds = logit(np.clip(thresholds, SMALLEST, 1 - SMALLEST))
        return float(expit(np.interp(np.log(false_alarms_per_hour), np.log(rates), odds)))

    def thresholds(
        self, chosen: Mapping[str, float], false_alarms_per_hour: float | None = None
    ) -> dict[str, float]:
        """The threshold of every label: as chosen, else for the rate, else the model's own."""
        own = self.default_thresholds
        if false_alarms_per_hour is not None:
            rest = [label for label in self.labels if label not in chosen]
            own = {label: self.threshold_for(label, false_alarms_per_hour) for label in rest}
        return {label: chosen[label] if label in chosen else own[label] for label in self.labels}

    @classmethod
    def load(cls, path: Path) -> KeywordDetector:
        """The detector in a model file. Raises NotFound or ModelUnreadable."""
        if not path.exists():
            raise NotFound(path.name, "there is no such model file")
        try:
            file = modelfile.load(path)
            return cls.from_description(file.net, file.description)
        except (CoreError, KeyError, TypeError, AttributeError, ValueError) as error:
            raise ModelUnreadable(
                path.name, f"is not a readable keyword model ({error}); get it or train it again"
            ) from error

    def save(self, path: Path) -> None:
        """Write the model file, whole or not at all."""
        modelfile.save(path, self.net, self.describe())

    @classmethod
    def from_description(cls, net: Layer, description: Mapping[str, Any]) -> KeywordDetector:
        """The detector that `describe` described."""
        kind = description.get("kind")
        if kind not in (KIND, PHONE_KIND):
            raise ModelUnreadable("kind", f"the model is of kind {kind!r}; expected {KIND!r}")
        labels = tuple(description["labels"])
        for part in ("placements", "default_thresholds", "operating_points"):
            if set(description[part]) != set(labels):
                raise ModelUnreadable(
                    part, f"got labels {sorted(description[part])}; expected {sorted(labels)}"
                )
        return cls(
            labels=labels,
            features=front_end(description["features"]),
            net=fold(net),
            placements={k: Placement(**v) for k, v in description["placements"].items()},
            operating_points={
                label: tuple(OperatingPoint(**point) for point in points)
                for label, points in description["operating_points"].items()
            },
            default_thresholds=dict(description["default_thresholds"]),
            card=dict(description["card"]),
            decision=Decision(**description["decision"]),
            kind=kind,
        )

    def describe(self) -> dict[str, Any]:
        """Everything but the network, as JSON."""
        return {
            "kind": self.kind,
            "labels": list(self.labels),
            "features": self.features.describe(),
            "placements": {k: vars(v) for k, v in self.placements.items()},
            "operating_points": {
                label: [vars(point) for point in points]
                for label, points in self.operating_points.items()
            },
            "default_thresholds": self.default_thresholds,
            "decision": vars(self.decision),
            "card": self.card,
        }

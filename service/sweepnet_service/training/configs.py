"""Settings of a training by name: found in the detectors' own `TrainConfig`, checked, applied.

The command line and the trainer service both use this, so each setting is described once.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Report

KINDS = ("keyword", "image")
PLACES = ("data", "work_dir", "output")
MODEL_FILE = "model.safetensors"


@dataclass(frozen=True)
class Setting:
    """One setting of a training: its name, type (int, float, str, bool or Path) and default."""

    name: str
    kind: type
    default: Any


def config_class(kind: str) -> type[Any]:
    """The `TrainConfig` of a kind of detector; raises InvalidInput for another kind."""
    if kind not in KINDS:
        raise InvalidInput("kind", f"got {kind!r}; expected one of {', '.join(KINDS)}")
    found: type[Any] = importlib.import_module(
        f"sweepnet_service.detectors.{kind}.train"
    ).TrainConfig
    return found


def settings_of(kind: str) -> dict[str, Setting]:
    """What can be set by name: the plain fields that have a default."""
    owner = config_class(kind)
    hints = get_type_hints(owner)
    plain = {
        field.name: Setting(field.name, hints[field.name], _default(field))
        for field in fields(owner)
        if hints[field.name] in (int, float, str, bool) and field.name not in PLACES
    }
    return {name: setting for name, setting in plain.items() if setting.default is not MISSING}


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default


def configured(kind: str, data: Path, place: Path, label: str, settings: Mapping[str, Any]) -> Any:
    """A `TrainConfig` with everything applied; the label is the model's name unless it is set."""
    known = settings_of(kind)
    named = {"label": label, **settings} if "label" in known else dict(settings)
    values = {name: _applied(name, value, known) for name, value in named.items()}
    return config_class(kind)(data=data, work_dir=place, output=place / MODEL_FILE, **values)


def _applied(name: str, value: Any, known: Mapping[str, Setting]) -> Any:
    if name not in known:
        raise InvalidInput("settings", f"no setting named {name!r}; there are {', '.join(known)}")
    kind = known[name].kind
    # Numbers of a protobuf Struct are doubles: 5.0 means the integer 5.
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise InvalidInput(f"settings.{name}", f"got {value!r}; expected {kind.__name__}")
    return value


def train(kind: str, config: Any, report: Report) -> Path:
    """The model file that a training of this kind brings."""
    module = importlib.import_module(f"sweepnet_service.detectors.{kind}.train")
    made: Path = module.train(config, report)
    return made

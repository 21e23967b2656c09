"""Settings of a training by name: found in the detectors' own `TrainConfig`, checked, applied.

The command line and the trainer service both use this, so each setting is described once. Settings
of a nested record are named with a dot, such as `head_settings.epochs`.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

from sweepnet_service.errors import InvalidInput, shown
from sweepnet_service.progress import Report
from sweepnet_service.store.entries import SHIPPED

KINDS = ("keyword", "image")
PLAIN = (int, float, str, bool, tuple[str, ...])
TRUNK = SHIPPED / "welcome.safetensors"
GROUPS = ("objects", "negatives")
"""Settings that name a folder within the data."""
_GROUP = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Setting:
    """One setting: its name, its type (one of PLAIN) and its default (MISSING: must be given)."""

    name: str
    kind: Any
    default: Any


def training_module(kind: str) -> Any:
    """The module with `TrainConfig` and `train`; raises InvalidInput for an unknown kind."""
    if kind not in KINDS:
        raise InvalidInput("kind", f"got {shown(kind)}; expected one of {', '.join(KINDS)}")
    return importlib.import_module(f"sweepnet_service.detectors.{kind}.train")


def settings_of(kind: str) -> dict[str, Setting]:
    """Everything that can be set by name."""
    return {each.name: each for each in _settings(training_module(kind).TrainConfig)}


def _settings(owner: Any, record: Any = None, before: str = "") -> Iterator[Setting]:
    """Settings of a record's class; their defaults are the values of `record`, if there is one."""
    hints = get_type_hints(owner)
    for field in fields(owner):
        default = _default(field) if record is None else getattr(record, field.name)
        kind = hints[field.name]
        if kind in PLAIN:
            yield Setting(before + field.name, kind, default)
        elif is_dataclass(kind) and default is not MISSING:
            yield from _settings(kind, default, f"{before}{field.name}.")


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default


def configured(kind: str, places: Mapping[str, Path], settings: Mapping[str, Any]) -> Any:
    """A `TrainConfig` with its folders and files (`places`) and settings; raises InvalidInput."""
    known = settings_of(kind)
    values = {name: checked(name, value, known) for name, value in settings.items()}
    missing = [x.name for x in known.values() if x.default is MISSING and x.name not in values]
    if missing:
        raise InvalidInput("settings", f"{missing[0]} is not given")
    return _built(training_module(kind).TrainConfig, places, values)


def _built(owner: Any, places: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    own = {name: value for name, value in values.items() if "." not in name}
    nested: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        outer, dot, inner = name.partition(".")
        if dot:
            nested.setdefault(outer, {})[inner] = value
    defaults = {field.name: _default(field) for field in fields(owner)}
    changed = {name: _changed(defaults[name], inner) for name, inner in nested.items()}
    return owner(**places, **own, **changed)


def _changed(record: Any, values: Mapping[str, Any]) -> Any:
    own = {name: value for name, value in values.items() if "." not in name}
    for name in {name.partition(".")[0] for name in values if "." in name}:
        inner = {k.partition(".")[2]: v for k, v in values.items() if k.startswith(f"{name}.")}
        own[name] = _changed(getattr(record, name), inner)
    return replace(record, **own)


def checked(name: str, value: Any, known: Mapping[str, Setting]) -> Any:
    """The value in the setting's type; raises InvalidInput."""
    if name not in known:
        raise InvalidInput(
            "settings", f"no setting named {shown(name)}; there are {', '.join(known)}"
        )
    kind = known[name].kind
    if kind == tuple[str, ...] and isinstance(value, list | tuple):
        return tuple(map(str, value))
    # Numbers of a protobuf Struct are doubles: 5.0 means the integer 5.
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        expected = getattr(kind, "__name__", str(kind))
        raise InvalidInput(f"settings.{name}", f"got {shown(value)}; expected {expected}")
    return value


def ordered(
    kind: str,
    label: str,
    data: Path,
    place: Path,
    settings: Mapping[str, Any],
    labels: Sequence[str] = (),
    base: Path | None = None,
) -> tuple[Any, Path]:
    """The `TrainConfig` of an order to the server, and where the model will be.

    `labels` are the words, or the one object, to find; by default the model's name. A keyword's
    data may have any form that a training reads; the trunk of `base`, by default the shipped
    model's, hears it unless `train_trunk` is set. A detector of objects begins with all weights of
    `base`, if there is one.
    """
    made = place / f"{label}.safetensors"
    places = {"data": data, "work_dir": place / "work", "out": made}
    check_groups(settings)
    if kind == "image":
        if len(labels) > 1:
            raise InvalidInput("labels", f"got {shown(list(labels))}; expected one kind of object")
        begun = {"start_from": base} if base else {}
        return configured(
            kind, {**places, **begun}, {"label": [*labels, label][0], **settings}
        ), made
    first, *also = labels or (label.replace("_", " ").replace("-", " "),)
    named = {"keyword": first, **({"also": also} if also else {})}
    return configured(kind, {**places, "trunk": base or TRUNK}, {**named, **settings}), made


def check_groups(settings: Mapping[str, Any]) -> None:
    """Raises InvalidInput if the name of a folder within the data could lead out of it."""
    for name in GROUPS:
        value = settings.get(name)
        if isinstance(value, str) and not _GROUP.fullmatch(value):
            raise InvalidInput(
                f"settings.{name}",
                f"got {shown(value)}; expected a folder's name of letters, digits, '-' and '_'",
            )


def check_confined(data: Path, roots: Sequence[Path]) -> None:
    """Raises InvalidInput if a link anywhere in the folder of data leads out of the roots."""
    for folder, folders, files in os.walk(data):
        for path in (Path(folder, name) for name in (*folders, *files)):
            if path.is_symlink() and not within(path.resolve(), roots):
                raise InvalidInput(
                    "data_folder",
                    f"{path.relative_to(data)} is a link to a place outside of the folders that "
                    "this server may read (--training-roots)",
                )


def within(real: Path, roots: Sequence[Path]) -> bool:
    """Whether a resolved path lies in one of the (resolved) roots."""
    return any(real.is_relative_to(root) for root in roots)


def train(kind: str, config: Any, report: Report) -> Path:
    """The model file that a training of this kind brings."""
    made: Path = training_module(kind).train(config, report)
    return made

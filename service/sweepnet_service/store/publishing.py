"""What is done to the versions of a library: publish, promote, roll back, delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sweepnet_service.errors import (
    FailedPrecondition,
    InvalidInput,
    ModelUnreadable,
    NotFound,
    shown,
)
from sweepnet_service.store.entries import load_detector, read_entry
from sweepnet_service.store.library import Library
from sweepnet_service.store.names import (
    LIVE,
    Reference,
    checked_alias,
    checked_name,
    file_of_name,
    reference,
    version_name,
)
from sweepnet_service.store.version import Lineage, Version
from sweepnet_service.store.versions import NO_LINEAGE, Versions

TAKEN = "taken over: "
"""Begins what the record of a file that became a version tells of its data."""
Objection = Callable[[str, str], str]
"""Why one version (its name) must not take the place of another; "" where nothing is known."""


def no_objection(candidate: str, baseline: str) -> str:
    """Nothing was measured."""
    return ""


def publish(
    library: Library,
    name: str,
    model: Path,
    lineage: Lineage = NO_LINEAGE,
    metrics: Mapping[str, Any] | None = None,
) -> Version:
    """A new version of a detector, not yet live; a card beside the file goes with it.

    A file that has the name until now becomes the version before, and live. Raises ModelUnreadable
    for a file that could not be served.
    """
    versions = versions_of(library)
    _check_served(checked_name(name, "model"), model)
    _take_over(library, versions, name)
    return versions.publish(name, model, _card_of(model), lineage, metrics)


def _check_served(name: str, model: Path) -> None:
    entry = read_entry(model, name)
    if entry is None or entry.error:
        raise ModelUnreadable(name, entry.error if entry else "its file is missing")
    load_detector(entry.kind, model)


def _take_over(library: Library, versions: Versions, name: str) -> None:
    """Make the file that has this name a version, once: of several processes one does it, and one
    that was killed meanwhile is succeeded.
    """
    entry = library.entries.get(name)
    if entry is None or entry.version is not None or entry.error:
        return
    with versions.alone(name):
        known = versions.of(name)
        if versions.moves(name) or (known and not known[0].lineage.data_set.startswith(TAKEN)):
            return
        origin = "shipped" if entry.shipped else entry.path.name
        lineage = Lineage(data_set=f"{TAKEN}{origin}")
        card = _card_of(entry.path)
        version = known[0] if known else versions.publish(name, entry.path, card, lineage)
        versions.promote(name, version.number)
    if not entry.shipped:
        _unlink(entry.path)


def _unlink(model: Path) -> None:
    model.unlink(missing_ok=True)
    model.with_suffix(".md").unlink(missing_ok=True)


def _card_of(model: Path) -> Path | None:
    card = model.with_suffix(".md")
    return card if card.is_file() else None


def promote(
    library: Library,
    name: str,
    alias: str = LIVE,
    force: bool = False,
    objection: Objection = no_objection,
) -> Version:
    """Let the alias name a version; it is loaded first, so that one that cannot be used is refused.

    Raises FailedPrecondition where there is an objection and `force` is not set, NotFound, or
    ModelUnreadable.
    """
    asked, alias = _numbered(name), checked_alias(alias)
    versions = versions_of(library)
    version = versions.get(asked.name, asked.number)
    library.load(name)
    present = versions.named_by(asked.name, alias)
    if present is not None and not force and (why := objection(version.name, present.name)):
        raise FailedPrecondition(
            "name",
            f"{version.name} was measured to be worse than {present.name}, which is {alias}: "
            f"{why}. Promote it in spite of that with force (--force), or compare them anew",
        )
    versions.promote(asked.name, asked.number, alias)
    library.refresh()
    return version


def roll_back(library: Library, name: str, alias: str = LIVE) -> Version:
    """Let the alias name the version before; it is loaded first, as in `promote`."""
    versions, alias = versions_of(library), checked_alias(alias)
    version = versions.roll_back(
        checked_name(name, "name"), alias, lambda each: _load(library, each)
    )
    library.refresh()
    return version


def _load(library: Library, version: Version) -> None:
    library.load(version.name)


def delete(library: Library, name: str) -> None:
    """Delete a version, or a detector with its versions and files.

    Raises NotFound, FailedPrecondition for what came with sweepnet or a version in use.
    """
    asked = reference(name, "name")
    if asked.alias:
        raise InvalidInput("name", f"got {shown(name)}; expected a detector or a version of one")
    versions = versions_of(library)
    if asked.number:
        versions.delete(asked.name, asked.number)
        return
    entry = library.entries.get(name)
    had_versions = versions.delete_all(name)
    if entry is None and not had_versions:
        raise NotFound("name", f"no model named {shown(name)}; nothing was deleted")
    if entry is not None and entry.shipped and not had_versions:
        raise FailedPrecondition("name", f"{name} came with sweepnet; it cannot be deleted")
    # One that its versions stood before would take their place.
    _unlink(file_of_name(versions.folder.parent, name))
    library.refresh()


def versions_of(library: Library) -> Versions:
    """The versions of a library; raises FailedPrecondition where it has no folder for any."""
    if library.versions is None:
        raise FailedPrecondition(
            "model", "this server has no folder to keep models in; start it with --models DIR"
        )
    return library.versions


def _numbered(name: str) -> Reference:
    asked = reference(name, "name")
    if not asked.number:
        raise InvalidInput(
            "name",
            f"got {shown(name)}; expected a version such as {version_name(asked.name, 3)!r}",
        )
    return asked

"""Where model files are found and what they are called; their versions."""

from sweepnet_service.store.entries import SHIPPED, ModelEntry
from sweepnet_service.store.library import Library
from sweepnet_service.store.names import (
    COLLECTION,
    LIVE,
    checked_alias,
    checked_name,
    file_of_name,
    name_alone,
    reference,
    version_name,
)
from sweepnet_service.store.version import Lineage, Version
from sweepnet_service.store.versions import Versions

__all__ = [
    "COLLECTION",
    "LIVE",
    "SHIPPED",
    "Library",
    "Lineage",
    "ModelEntry",
    "Version",
    "Versions",
    "checked_alias",
    "checked_name",
    "file_of_name",
    "name_alone",
    "reference",
    "version_name",
]

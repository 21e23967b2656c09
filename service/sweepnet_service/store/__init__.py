"""Where model files are found and what they are called."""

from sweepnet_service.store.library import SHIPPED, Library, ModelEntry
from sweepnet_service.store.names import checked_name, file_of_name, name_alone

__all__ = ["SHIPPED", "Library", "ModelEntry", "checked_name", "file_of_name", "name_alone"]

"""Labelled pictures as other programs keep them: COCO, Pascal VOC and YOLO folders -> entries."""

from .folder import FORMATS, format_of, read_folder

__all__ = ["FORMATS", "format_of", "read_folder"]

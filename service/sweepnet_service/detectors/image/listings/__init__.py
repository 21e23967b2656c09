"""Labelled pictures as other programs keep them: COCO, Pascal VOC and YOLO folders -> entries."""

from .folder import FORMATS, read_folder

__all__ = ["FORMATS", "read_folder"]

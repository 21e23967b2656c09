"""Random views of labelled pictures for training; labels follow the pixels."""

from .colour import coloured, draw_colour
from .damage import damaged
from .drawing import draw_view, free_crop, mosaic
from .settings import Augmentation
from .view import Sample, View, render, see

__all__ = [
    "Augmentation",
    "Sample",
    "View",
    "coloured",
    "damaged",
    "draw_colour",
    "draw_view",
    "free_crop",
    "mosaic",
    "render",
    "see",
]

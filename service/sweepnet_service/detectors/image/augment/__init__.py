"""Random views of labelled pictures for training; labels follow the pixels."""

from .colour import coloured, draw_colour
from .crops import close_crop, free_crop
from .damage import damaged
from .drawing import draw_view, mosaic
from .settings import Augmentation
from .view import Sample, View, render, see

__all__ = [
    "Augmentation",
    "Sample",
    "View",
    "close_crop",
    "coloured",
    "damaged",
    "draw_colour",
    "draw_view",
    "free_crop",
    "mosaic",
    "render",
    "see",
]

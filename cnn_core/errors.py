"""What can go wrong in the core, as one tree.

CoreError
├── GeometryError     a size, stride or window that cannot be
├── ShapeError        an array whose shape does not fit the layer
├── NotFiniteError    a signal that holds NaN or infinite samples
├── StreamError       a network that cannot run in steps
├── TrainingError     a target, setting or batch that training cannot use
├── ModelFileError    a model file that is damaged, foreign or too new
└── ExportError       a layer that a foreign format has no form for
"""

from __future__ import annotations


class CoreError(ValueError):
    """The root of all errors that `cnn_core` raises on purpose."""


class GeometryError(CoreError):
    """A size, stride, padding or window that cannot be."""


class ShapeError(CoreError):
    """An array whose shape does not fit the layer it was given to."""


class NotFiniteError(CoreError):
    """A signal that holds NaN or infinite samples; the message names the first one's place."""


class StreamError(CoreError):
    """A network that cannot be run in steps, or a step that cannot be taken."""


class TrainingError(CoreError):
    """A target, setting or batch that training cannot use."""


class ModelFileError(CoreError):
    """A model file that is damaged, foreign, or written by a newer version."""


class ExportError(CoreError):
    """A layer that a foreign format, such as ONNX, has no form for."""

"""Networks as ONNX models that any runtime runs; needs the extra `onnx`."""

try:
    import onnx  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"{error.name or 'onnx'} is not installed; get it with pip install 'sweepnet[onnx]'",
        name=error.name,
    ) from error

from cnn_core.onnx_export import (  # noqa: F401  (each adds its layers to `write`)
    joining,
    pointwise,
    pooling,
    resampling,
    weighted,
    windows,
)
from cnn_core.onnx_export.model import OPSET, save, to_onnx
from cnn_core.onnx_export.write import known

__all__ = ["OPSET", "known", "save", "to_onnx"]

"""The shared-weight convolution core: layers, networks, scanning, streaming, learning."""

from cnn_core.memory import keep_freed_memory

keep_freed_memory()

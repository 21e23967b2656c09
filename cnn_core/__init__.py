"""The shared-weight convolution core: layers, networks, scanning, streaming, learning."""

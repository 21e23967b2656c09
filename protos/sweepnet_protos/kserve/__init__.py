"""Package inference: the Open Inference Protocol, as KServe and Triton speak it."""

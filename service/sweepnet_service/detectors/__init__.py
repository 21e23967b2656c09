"""The detectors: front end, network, decision, training, evaluation."""

"""Servers and trainers of scanning detectors."""

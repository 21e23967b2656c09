"""What detectors were unsure of, kept for people to review: opt-in, bounded, local, with an end."""

from sweepnet_service.captures.capture import Answer, Capture, Sighting
from sweepnet_service.captures.folder import Captures
from sweepnet_service.captures.keeper import Keeper

__all__ = ["Answer", "Capture", "Captures", "Keeper", "Sighting"]

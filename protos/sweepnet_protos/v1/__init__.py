"""Package sweepnet.v1: changed only by addition."""

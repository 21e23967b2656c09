"""The wire contract of sweepnet: protobuf sources and the code generated from them."""

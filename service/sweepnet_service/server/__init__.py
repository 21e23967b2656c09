"""The gRPC server: thin handlers, conversion, statuses, settings, life and end."""

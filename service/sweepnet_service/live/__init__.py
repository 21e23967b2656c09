"""Live audio without gRPC: what is asked for, what is told, and many streams stepped as one."""

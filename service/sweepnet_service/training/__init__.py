"""Trainings that run beside the server: jobs, and the child process that does the work."""

"""Verbs that need the server's packages; they join `sweepnet` by entry point."""

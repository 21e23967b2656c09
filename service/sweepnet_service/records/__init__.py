"""What the server and its workers remember: jobs, data sets, comparisons, in one database."""

from sweepnet_service.records.database import Database

__all__ = ["Database"]

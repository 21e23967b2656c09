"""Where Alembic runs the steps: on the connection that `Database` gives it."""

from __future__ import annotations

from alembic import context

from sweepnet_service.records.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    # SQLite alters tables by copying them.
    render_as_batch=True,
)
context.run_migrations()

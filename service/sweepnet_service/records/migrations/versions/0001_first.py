"""Jobs, data sets, comparisons."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "data_sets",
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("created_s", sa.Float(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_data_sets"),
    )
    op.create_table(
        "data_files",
        sa.Column("data_set", sa.String(80), nullable=False),
        sa.Column("path", sa.String(1024), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(
            ["data_set"], ["data_sets.name"], name="fk_data_files_data_set", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("data_set", "path", name="pk_data_files"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("request_id", sa.String(64)),
        sa.Column("created_s", sa.Float(), nullable=False),
        sa.Column("updated_s", sa.Float(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("order", sa.JSON(), nullable=False),
        sa.Column("data_set", sa.String(80)),
        sa.Column("progress", sa.JSON()),
        sa.Column("problems", sa.JSON()),
        sa.Column("problem_count", sa.Integer(), nullable=False),
        sa.Column("budget_steps", sa.Integer(), nullable=False),
        sa.Column("error", sa.JSON()),
        sa.Column("result", sa.JSON()),
        sa.Column("log", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("interruptions", sa.Integer(), nullable=False),
        sa.Column("furthest", sa.JSON(), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("leased_until_s", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["data_set"], ["data_sets.name"], name="fk_jobs_data_set"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("request_id", name="uq_jobs_request_id"),
    )
    op.create_index("ix_jobs_state", "jobs", ["state", "created_s"])
    op.create_table(
        "comparisons",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("created_s", sa.Float(), nullable=False),
        sa.Column("candidate", sa.String(120), nullable=False),
        sa.Column("baseline", sa.String(120), nullable=False),
        sa.Column("data_set", sa.String(200), nullable=False),
        sa.Column("worse", sa.Boolean(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_comparisons"),
    )
    op.create_index("ix_comparisons_pair", "comparisons", ["candidate", "baseline"])


def downgrade() -> None:
    """Drop the tables."""
    for table in ("comparisons", "jobs", "data_files", "data_sets"):
        op.drop_table(table)

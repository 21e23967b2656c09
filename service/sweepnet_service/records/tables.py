"""The tables, as the newest migration leaves them. Times are in seconds since 1970."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
METADATA = MetaData(naming_convention=NAMES)

DATA_SETS = Table(
    "data_sets",
    METADATA,
    Column("name", String(80), primary_key=True),
    Column("created_s", Float, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("sha256", String(64), nullable=False),
)

DATA_FILES = Table(
    "data_files",
    METADATA,
    Column(
        "data_set", String(80), ForeignKey("data_sets.name", ondelete="CASCADE"), primary_key=True
    ),
    Column("path", String(1024), primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
)

JOBS = Table(
    "jobs",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("request_id", String(64), unique=True),
    Column("created_s", Float, nullable=False),
    Column("updated_s", Float, nullable=False),
    Column("state", String(16), nullable=False),
    # What was ordered; the data set stands by itself, so that none in use can be deleted.
    Column("order", JSON, nullable=False),
    Column("data_set", String(80), ForeignKey("data_sets.name")),
    Column("progress", JSON),
    Column("problems", JSON),
    Column("problem_count", Integer, nullable=False),
    Column("budget_steps", Integer, nullable=False),
    Column("error", JSON),
    Column("result", JSON),
    Column("log", Text, nullable=False),
    # How often it was begun, and how often that ended badly since it last got any further.
    Column("attempt", Integer, nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("interruptions", Integer, nullable=False),
    Column("furthest", JSON, nullable=False),
    # Who works on it, and until when that holds without another sign.
    Column("owner", String(64), nullable=False),
    Column("leased_until_s", Float, nullable=False),
    Index("ix_jobs_state", "state", "created_s"),
)

COMPARISONS = Table(
    "comparisons",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("created_s", Float, nullable=False),
    Column("candidate", String(120), nullable=False),
    Column("baseline", String(120), nullable=False),
    Column("data_set", String(200), nullable=False),
    Column("worse", Boolean, nullable=False),
    Column("figures", JSON, nullable=False),
    Index("ix_comparisons_pair", "candidate", "baseline"),
)

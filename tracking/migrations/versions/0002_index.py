"""The tables of the index of evidence."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0002"
down_revision = "0001"

NUMBERS = (
    *("mu", "mu_err", "sigma", "sigma_err", "q68", "q68_err", "rms", "tail", "tail_err"),
    *("efficiency", "efficiency_low", "efficiency_high", "failures", "failures_low", "failures_high"),
)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "shashlik_evidence",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("experiment", sa.String(32), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("sample", sa.String(64), nullable=False),
        sa.Column("artifact", sa.String(500), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("commit", sa.String(64), nullable=False),
        sa.Column("task", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("sample_sha256", sa.String(64), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("events", sa.BigInteger, nullable=False),
        sa.Column("objects", sa.BigInteger, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("run", "artifact"),
    )
    op.create_index("shashlik_evidence_task", "shashlik_evidence", ["task", "sample", "time"])
    op.create_index("shashlik_evidence_sample", "shashlik_evidence", ["sample_sha256"])
    _part(
        "shashlik_estimator",
        (*_key("estimator"), sa.Column("position", sa.Integer, nullable=False)),
        (sa.Column("version", sa.Integer),),
    )
    _part(
        "shashlik_resolution",
        (
            *_key("quantity", "binning"),
            sa.Column("bin", sa.Integer, primary_key=True, autoincrement=False),
            *_key("estimator"),
            sa.Column("n", sa.BigInteger, nullable=False),
        ),
        (sa.Column(name, sa.Float) for name in ("low", "high", *NUMBERS)),
    )
    if op.get_bind().dialect.name == "postgresql":
        # Leaderboards need only the overall rows, one in twenty. SQLite stores them together already.
        op.create_index(
            "shashlik_resolution_overall",
            "shashlik_resolution",
            ["quantity", "evidence", "estimator"],
            postgresql_include=["binning", "bin", "n", *NUMBERS],
            postgresql_where=sa.text("bin = 0"),
        )
    _part(
        "shashlik_comparison",
        (*_key("quantity", "statistic", "reference"), sa.Column("subject", sa.String(255), nullable=False)),
        (sa.Column(name, sa.Float) for name in ("ratio", "ratio_low", "ratio_high", "level")),
    )
    _part(
        "shashlik_statistic",
        _key("quantity", "statistic", "estimator"),
        (sa.Column(name, sa.Float) for name in ("value", "err", "low", "high")),
    )


def downgrade() -> None:
    """Drop the tables: they can be rebuilt from the artifacts."""
    for name in ("statistic", "comparison", "resolution", "estimator", "evidence"):
        op.drop_table(f"shashlik_{name}")


def _key(*names: str) -> tuple[sa.Column, ...]:
    return tuple(sa.Column(name, sa.String(255), primary_key=True) for name in names)


def _part(name, keys, values) -> None:
    """Create a table of parts of an evidence, in SQLite stored in the order of its key."""
    owner = sa.Column(
        "evidence", sa.Integer, sa.ForeignKey("shashlik_evidence.id"), primary_key=True, autoincrement=False
    )
    op.create_table(name, owner, *keys, *values, sqlite_with_rowid=False)

"""What launches taught, by scope, instead of caps by offer; budgets of calls that all processes share; price history by the day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "launch_records",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("relevant_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_launch_records")),
    )
    op.create_index("ix_launch_records_relevant_at", "launch_records", ["relevant_at"])
    op.create_table(
        "call_budgets",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("empty_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_call_budgets")),
    )
    op.create_table(
        "offer_days",
        sa.Column("offer_key", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("low_micro_usd_per_h", sa.BigInteger(), nullable=False),
        sa.Column("high_micro_usd_per_h", sa.BigInteger(), nullable=False),
        sa.Column("micro_usd_per_h_seconds", sa.Float(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["offer_key"], ["offers.key"], name=op.f("fk_offer_days_offer_key"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("offer_key", "day", name=op.f("pk_offer_days")),
    )
    # Backoffs last two hours at most: an offer that was held back is asked again a little early, once.
    op.drop_table("launch_caps")


def downgrade() -> None:
    op.create_table(
        "launch_caps",
        sa.Column("offer_id", sa.Text(), nullable=False),
        sa.Column("nodes", sa.Integer(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("nodes >= 0 AND confidence BETWEEN 0 AND 1", name=op.f("ck_launch_caps_in_range")),
        sa.PrimaryKeyConstraint("offer_id", name=op.f("pk_launch_caps")),
    )
    op.drop_table("offer_days")
    op.drop_table("call_budgets")
    op.drop_table("launch_records")

"""What offers in many zones have in common gets a number, so that a snapshot fetches it once; owners of offers are found by index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    shape = (
        "hash_record_extended(ROW(feed, feed_account, provider, account, region, instance_type, accelerator, accelerator_count, vcpus, "
        "memory_gib, quota_family, capacity_type, source_kind, source, jurisdiction, interruptions_per_h, notice_s, launch_s, "
        "currency_note), 0)"
    )
    op.add_column("offers", sa.Column("shape", sa.BigInteger(), sa.Computed(shape, persisted=True), nullable=False))
    op.create_index("ix_offers_shape", "offers", ["shape"])
    op.create_index("ix_offers_owner", "offers", ["provider", "account", "trust", "feed", "feed_account"])


def downgrade() -> None:
    op.drop_index("ix_offers_owner", table_name="offers")
    op.drop_index("ix_offers_shape", table_name="offers")
    op.drop_column("offers", "shape")

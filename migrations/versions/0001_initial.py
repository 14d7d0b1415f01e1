"""The first schema: inventory with history, workload, fleet, agents, events, leases, ledger, keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "aliases",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_aliases")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("role IN ('viewer', 'operator', 'agent', 'node', 'client')", name=op.f("ck_api_keys_role_known")),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name=op.f("ck_api_keys_sha256_is_a_hash")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("sha256", name=op.f("uq_api_keys_sha256")),
    )
    op.create_table(
        "clusters",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("jurisdiction", sa.Text(), nullable=False),
        sa.Column("zones", postgresql.JSONB(), nullable=False),
        sa.Column("schedulability", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("schedulability IN ('open', 'cordoned', 'draining')", name=op.f("ck_clusters_schedulability_known")),
        sa.CheckConstraint("state IN ('joining', 'ready', 'suspect', 'lost')", name=op.f("ck_clusters_state_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clusters")),
    )
    op.create_table(
        "deployments",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("generation >= 1", name=op.f("ck_deployments_generation_counts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deployments")),
    )
    op.create_table(
        "engine_shapes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_engine_shapes")),
    )
    op.create_table(
        "events",
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_events")),
    )
    op.create_index("ix_events_at", "events", ["at"], unique=False)
    op.create_index("ix_events_kind", "events", ["kind", "sequence"], unique=False)
    op.create_table(
        "external_endpoints",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_external_endpoints")),
    )
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
    op.create_table(
        "leadership",
        sa.Column("single", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("single", name=op.f("ck_leadership_one_row")),
        sa.PrimaryKeyConstraint("single", name=op.f("pk_leadership")),
    )
    op.create_table(
        "models",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
    )
    op.create_table(
        "moves",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("kind IN ('start', 'stop', 'migrate')", name=op.f("ck_moves_kind_known")),
        sa.CheckConstraint(
            "state IN ('requested', 'acquiring', 'starting', 'warming', 'ready', 'shifting', 'draining', 'stopped', 'failed', 'cancelled')",
            name=op.f("ck_moves_state_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_moves")),
    )
    op.create_index(
        "ix_moves_open", "moves", ["id"], unique=False, postgresql_where=sa.text("state NOT IN ('stopped', 'failed', 'cancelled')")
    )
    op.create_index("ix_moves_plan", "moves", ["plan"], unique=False)
    op.create_index("ix_moves_position", "moves", ["position"], unique=False)
    op.create_table(
        "node_usage",
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("cost_micro_usd", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("phase IN ('serving', 'idle', 'starting', 'draining', 'overlap')", name=op.f("ck_node_usage_phase_known")),
        sa.CheckConstraint("seconds >= 0 AND cost_micro_usd >= 0", name=op.f("ck_node_usage_not_negative")),
        sa.PrimaryKeyConstraint("minute", "node", "deployment", "phase", name=op.f("pk_node_usage")),
    )
    op.create_table(
        "notices",
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("node", "kind", name=op.f("pk_notices")),
    )
    op.create_index("ix_notices_open", "notices", ["received_at"], unique=False, postgresql_where=sa.text("NOT handled"))
    op.create_table(
        "offer_problems",
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("feed_account", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("row", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("feed", "feed_account", "scope", "row", name=op.f("pk_offer_problems")),
    )
    op.create_index("ix_offer_problems_at", "offer_problems", ["at"], unique=False)
    op.create_table(
        "offers",
        sa.Column("key", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("feed_account", sa.Text(), nullable=False),
        sa.Column("offer_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("instance_type", sa.Text(), nullable=False),
        sa.Column("accelerator", sa.Text(), nullable=False),
        sa.Column("accelerator_count", sa.Integer(), nullable=False),
        sa.Column("vcpus", sa.Integer(), nullable=False),
        sa.Column("memory_gib", sa.Float(), nullable=False),
        sa.Column("quota_family", sa.Text(), nullable=False),
        sa.Column("capacity_type", sa.Text(), nullable=False),
        sa.Column("price_micro_usd_per_h", sa.BigInteger(), nullable=False),
        sa.Column("availability", sa.Text(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source_kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("jurisdiction", sa.Text(), nullable=False),
        sa.Column("interruptions_per_h", sa.Float(), nullable=True),
        sa.Column("notice_s", sa.Integer(), nullable=False),
        sa.Column("launch_s", sa.Integer(), nullable=False),
        sa.Column("currency_note", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stale", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "trust",
            sa.SmallInteger(),
            sa.Computed(
                "CASE source_kind WHEN 'live' THEN 8 WHEN 'simulated' THEN 6 WHEN 'declared' THEN 4 ELSE 2 END + CASE WHEN "
                "feed = provider THEN 1 ELSE 0 END",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.CheckConstraint(
            "capacity_type IN ('on-demand', 'spot', 'reserved', 'capacity-block')", name=op.f("ck_offers_capacity_type_known")
        ),
        sa.CheckConstraint("source_kind IN ('live', 'snapshot', 'simulated', 'declared')", name=op.f("ck_offers_source_kind_known")),
        sa.CheckConstraint(
            "split_part(availability, ':', 1) IN ('unknown', 'count', 'bucket', 'boolean', 'score')",
            name=op.f("ck_offers_availability_known"),
        ),
        sa.CheckConstraint(
            "price_micro_usd_per_h >= 0 AND accelerator_count >= 0 AND vcpus >= 0 AND notice_s >= 0 AND launch_s >= 0",
            name=op.f("ck_offers_not_negative"),
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_offers")),
        sa.UniqueConstraint("feed", "feed_account", "offer_id", name=op.f("uq_offers_feed")),
        postgresql_with={"fillfactor": 45},
    )
    op.create_index(
        "ix_offers_accelerator",
        "offers",
        ["accelerator", "price_micro_usd_per_h"],
        unique=False,
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_index("ix_offers_offer_id", "offers", ["offer_id"], unique=False)
    op.create_index(
        "ix_offers_place", "offers", ["provider", "account", "region"], unique=False, postgresql_where=sa.text("removed_at IS NULL")
    )
    op.create_table(
        "plans",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint(
            "state IN ('proposed', 'applying', 'applied', 'rejected', 'superseded', 'failed')", name=op.f("ck_plans_state_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
    )
    op.create_index("ix_plans_applying", "plans", ["created_at"], unique=False, postgresql_where=sa.text("state = 'applying'"))
    op.create_index("ix_plans_created_at", "plans", ["created_at"], unique=False)
    op.create_table(
        "provider_limits",
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("feed", "account", name=op.f("pk_provider_limits")),
    )
    op.create_table(
        "provider_statuses",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "account", name=op.f("pk_provider_statuses")),
    )
    op.create_table(
        "runs",
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("run_date", sa.Date(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("report", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("outcome IN ('', 'done', 'failed')", name=op.f("ck_runs_outcome_known")),
        sa.PrimaryKeyConstraint("job", "run_date", name=op.f("pk_runs")),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
    )
    op.create_table(
        "token_usage",
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("replica", sa.Text(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "requests >= 0 AND failures >= 0 AND input_tokens >= 0 AND output_tokens >= 0", name=op.f("ck_token_usage_not_negative")
        ),
        sa.PrimaryKeyConstraint("minute", "tenant", "deployment", "replica", name=op.f("pk_token_usage")),
    )
    op.create_table(
        "agent_reports",
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["cluster"], ["clusters.id"], name=op.f("fk_agent_reports_cluster")),
        sa.PrimaryKeyConstraint("cluster", name=op.f("pk_agent_reports")),
    )
    op.create_table(
        "desired_states",
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["cluster"], ["clusters.id"], name=op.f("fk_desired_states_cluster")),
        sa.PrimaryKeyConstraint("cluster", name=op.f("pk_desired_states")),
    )
    op.create_table(
        "nodes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("launch_token", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint(
            "state IN ('requested', 'launching', 'joining', 'ready', 'interrupted', 'terminating', 'terminated', 'lost', 'failed')",
            name=op.f("ck_nodes_state_known"),
        ),
        sa.ForeignKeyConstraint(["cluster"], ["clusters.id"], name=op.f("fk_nodes_cluster")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nodes")),
        sa.UniqueConstraint("launch_token", name=op.f("uq_nodes_launch_token")),
    )
    op.create_index("ix_nodes_alive", "nodes", ["id"], unique=False, postgresql_where=sa.text("state NOT IN ('terminated', 'failed')"))
    op.create_table(
        "offer_history",
        sa.Column("offer_key", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("price_micro_usd_per_h", sa.BigInteger(), nullable=False),
        sa.Column("availability", sa.Text(), nullable=False),
        sa.CheckConstraint("valid_to > valid_from", name=op.f("ck_offer_history_forward")),
        sa.ForeignKeyConstraint(["offer_key"], ["offers.key"], name=op.f("fk_offer_history_offer_key"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("offer_key", "valid_from", name=op.f("pk_offer_history")),
    )
    op.create_index("ix_offer_history_valid_from", "offer_history", ["valid_from"], unique=False)
    op.create_index("uq_offer_history_open", "offer_history", ["offer_key"], unique=True, postgresql_where=sa.text("valid_to IS NULL"))
    op.create_table(
        "replicas",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint(
            "state IN ('requested', 'starting', 'warming', 'ready', 'suspect', 'draining', 'stopping', 'stopped', 'failed', 'lost')",
            name=op.f("ck_replicas_state_known"),
        ),
        sa.ForeignKeyConstraint(["cluster"], ["clusters.id"], name=op.f("fk_replicas_cluster")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replicas")),
    )
    op.create_index(
        "ix_replicas_alive", "replicas", ["id"], unique=False, postgresql_where=sa.text("state NOT IN ('stopped', 'failed', 'lost')")
    )
    op.create_index("ix_replicas_ended_at", "replicas", ["ended_at"], unique=False, postgresql_where=sa.text("ended_at IS NOT NULL"))


def downgrade() -> None:
    op.drop_index("ix_replicas_ended_at", table_name="replicas", postgresql_where=sa.text("ended_at IS NOT NULL"))
    op.drop_index("ix_replicas_alive", table_name="replicas", postgresql_where=sa.text("state NOT IN ('stopped', 'failed', 'lost')"))
    op.drop_table("replicas")
    op.drop_index("uq_offer_history_open", table_name="offer_history", postgresql_where=sa.text("valid_to IS NULL"))
    op.drop_index("ix_offer_history_valid_from", table_name="offer_history")
    op.drop_table("offer_history")
    op.drop_index("ix_nodes_alive", table_name="nodes", postgresql_where=sa.text("state NOT IN ('terminated', 'failed')"))
    op.drop_table("nodes")
    op.drop_table("desired_states")
    op.drop_table("agent_reports")
    op.drop_table("token_usage")
    op.drop_table("tenants")
    op.drop_table("runs")
    op.drop_table("provider_statuses")
    op.drop_table("provider_limits")
    op.drop_index("ix_plans_created_at", table_name="plans")
    op.drop_index("ix_plans_applying", table_name="plans", postgresql_where=sa.text("state = 'applying'"))
    op.drop_table("plans")
    op.drop_index("ix_offers_place", table_name="offers", postgresql_where=sa.text("removed_at IS NULL"))
    op.drop_index("ix_offers_offer_id", table_name="offers")
    op.drop_index("ix_offers_accelerator", table_name="offers", postgresql_where=sa.text("removed_at IS NULL"))
    op.drop_table("offers")
    op.drop_index("ix_offer_problems_at", table_name="offer_problems")
    op.drop_table("offer_problems")
    op.drop_index("ix_notices_open", table_name="notices", postgresql_where=sa.text("NOT handled"))
    op.drop_table("notices")
    op.drop_table("node_usage")
    op.drop_index("ix_moves_position", table_name="moves")
    op.drop_index("ix_moves_plan", table_name="moves")
    op.drop_index("ix_moves_open", table_name="moves", postgresql_where=sa.text("state NOT IN ('stopped', 'failed', 'cancelled')"))
    op.drop_table("moves")
    op.drop_table("models")
    op.drop_table("leadership")
    op.drop_table("launch_caps")
    op.drop_table("external_endpoints")
    op.drop_index("ix_events_kind", table_name="events")
    op.drop_index("ix_events_at", table_name="events")
    op.drop_table("events")
    op.drop_table("engine_shapes")
    op.drop_table("deployments")
    op.drop_table("clusters")
    op.drop_table("api_keys")
    op.drop_table("aliases")

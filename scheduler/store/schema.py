"""All tables, as SQLAlchemy Core. ``migrations/`` builds the same schema step by step; a test compares the two.

Shape: columns that are queried, constrained or updated on their own stand alone; the rest of a domain value is one JSONB ``body``.
Instants are ``timestamptz``, always passed in by the caller; money is integer micro-USD. One file, because the schema is read whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from scheduler.domain.agentstate import DesiredState, ObservedState
from scheduler.domain.events import Notice
from scheduler.domain.evidence import LaunchRecord
from scheduler.domain.fleet import Node, Replica
from scheduler.domain.lifecycle import ClusterState, MoveState, NodeState, PlanState, ReplicaState, Schedulability
from scheduler.domain.offer import CapacityType, SourceKind
from scheduler.domain.plan import Move, MoveKind, Plan
from scheduler.domain.ports import Limits
from scheduler.domain.snapshot import ProviderStatus
from scheduler.domain.workload import Deployment, EngineShape, ExternalEndpoint, Model, ModelAlias, Tenant
from scheduler.store.codec import AsJson

NAMES = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}
metadata = MetaData(naming_convention=NAMES)


def _one_of(column: str, values: Iterable[StrEnum]) -> CheckConstraint:
    listed = ", ".join(f"'{value.value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def _not_negative(*columns: str) -> CheckConstraint:
    return CheckConstraint(" AND ".join(f"{column} >= 0" for column in columns), name="not_negative")


def _id(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


def _text(name: str, default: str | None = None) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def _instant(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _body(kind: type[Any]) -> Column[Any]:
    return Column("body", AsJson(kind), nullable=False)


# --- inventory -------------------------------------------------------------------------------------------------------------------

# A removed offer keeps its row with removed_at, so that the history still knows what it was.
offers = Table(
    "offers",
    metadata,
    Column("key", BigInteger, Identity(always=True), primary_key=True),
    _text("feed"),
    _text("feed_account"),
    _text("offer_id"),
    _text("scope"),
    _text("provider"),
    _text("account"),
    _text("region"),
    _text("zone"),
    _text("instance_type"),
    _text("accelerator"),
    Column("accelerator_count", Integer, nullable=False),
    Column("vcpus", Integer, nullable=False),
    Column("memory_gib", Float, nullable=False),
    _text("quota_family"),
    _text("capacity_type"),
    Column("price_micro_usd_per_h", BigInteger, nullable=False),
    _text("availability"),
    _instant("observed_at"),
    _text("source_kind"),
    _text("source"),
    _text("jurisdiction"),
    Column("interruptions_per_h", Float),
    Column("notice_s", Integer, nullable=False),
    Column("launch_s", Integer, nullable=False),
    _text("currency_note"),
    _instant("seen_at"),
    Column("stale", Boolean, nullable=False, server_default=text("false")),
    _instant("removed_at", nullable=True),
    # how far to believe a row where several feeds report the same cloud: its kind first, then the cloud's own feed over an aggregator
    Column(
        "trust",
        SmallInteger,
        Computed(
            "CASE source_kind WHEN 'live' THEN 8 WHEN 'simulated' THEN 6 WHEN 'declared' THEN 4 ELSE 2 END"
            " + CASE WHEN feed = provider THEN 1 ELSE 0 END",
            persisted=True,
        ),
        nullable=False,
    ),
    # equal for offers that differ only in zone, price, availability and time: what describes them is fetched once
    Column(
        "shape",
        BigInteger,
        Computed(
            "hash_record_extended(ROW(feed, feed_account, provider, account, region, instance_type, accelerator, accelerator_count, vcpus, "
            "memory_gib, quota_family, capacity_type, source_kind, source, jurisdiction, interruptions_per_h, notice_s, launch_s, "
            "currency_note), 0)",
            persisted=True,
        ),
        nullable=False,
    ),
    UniqueConstraint("feed", "feed_account", "offer_id"),
    _one_of("capacity_type", (kind for kind in CapacityType if kind is not CapacityType.ENDPOINT)),
    _one_of("source_kind", SourceKind),
    CheckConstraint("split_part(availability, ':', 1) IN ('unknown', 'count', 'bucket', 'boolean', 'score')", name="availability_known"),
    _not_negative("price_micro_usd_per_h", "accelerator_count", "vcpus", "notice_s", "launch_s"),
    Index("ix_offers_offer_id", "offer_id"),
    Index("ix_offers_shape", "shape"),
    Index("ix_offers_owner", "provider", "account", "trust", "feed", "feed_account"),
    Index("ix_offers_place", "provider", "account", "region", postgresql_where=text("removed_at IS NULL")),
    Index("ix_offers_accelerator", "accelerator", "price_micro_usd_per_h", postgresql_where=text("removed_at IS NULL")),
    # every poll rewrites every row: with room for a second copy on the page, none of those updates touches an index
    postgresql_with={"fillfactor": 45},
)

# What held from valid_from to valid_to; a new row only when price or availability changed.
offer_history = Table(
    "offer_history",
    metadata,
    Column("offer_key", BigInteger, ForeignKey("offers.key", ondelete="CASCADE"), primary_key=True),
    Column("valid_from", DateTime(timezone=True), primary_key=True),
    _instant("valid_to", nullable=True),
    Column("price_micro_usd_per_h", BigInteger, nullable=False),
    _text("availability"),
    CheckConstraint("valid_to > valid_from", name="forward"),
    Index("uq_offer_history_open", "offer_key", unique=True, postgresql_where=text("valid_to IS NULL")),
    Index("ix_offer_history_valid_from", "valid_from"),
)

# History that is no longer needed by the minute: what an offer cost on one day, by UTC.
offer_days = Table(
    "offer_days",
    metadata,
    Column("offer_key", BigInteger, ForeignKey("offers.key", ondelete="CASCADE"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("seconds", Float, nullable=False),
    Column("low_micro_usd_per_h", BigInteger, nullable=False),
    Column("high_micro_usd_per_h", BigInteger, nullable=False),
    Column("micro_usd_per_h_seconds", Float, nullable=False),
    Column("changes", Integer, nullable=False),
)

offer_problems = Table(
    "offer_problems",
    metadata,
    Column("feed", Text, primary_key=True),
    Column("feed_account", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("row", Text, primary_key=True),
    _text("reason"),
    _text("raw"),
    _instant("at"),
    Index("ix_offer_problems_at", "at"),
)

provider_statuses = Table("provider_statuses", metadata, _id("provider"), _id("account"), _body(ProviderStatus))
provider_limits = Table("provider_limits", metadata, _id("feed"), _id("account"), _body(Limits))

# What launches taught, by scope. The instant is the later of the last change and the end of a pause: what is older says nothing.
launch_records = Table(
    "launch_records",
    metadata,
    _id("scope"),
    _instant("relevant_at"),
    _body(LaunchRecord),
    Index("ix_launch_records_relevant_at", "relevant_at"),
)

# One leaky bucket per vendor's rate limit: the instant at which it is empty again.
call_budgets = Table("call_budgets", metadata, _id("key"), _instant("empty_at"))

# --- workload --------------------------------------------------------------------------------------------------------------------

models = Table("models", metadata, _id("id"), _body(Model))
engine_shapes = Table("engine_shapes", metadata, _id("id"), _body(EngineShape))
aliases = Table("aliases", metadata, _id("id"), _body(ModelAlias))
external_endpoints = Table("external_endpoints", metadata, _id("id"), _body(ExternalEndpoint))
tenants = Table("tenants", metadata, _id("id"), _body(Tenant))
deployments = Table(
    "deployments",
    metadata,
    _id("id"),
    Column("generation", Integer, nullable=False),
    _body(Deployment),
    CheckConstraint("generation >= 1", name="generation_counts"),
)

# --- fleet -----------------------------------------------------------------------------------------------------------------------

clusters = Table(
    "clusters",
    metadata,
    _id("id"),
    _text("provider"),
    _text("account"),
    _text("region"),
    _text("jurisdiction"),
    Column("zones", AsJson(tuple[str, ...]), nullable=False),
    _text("schedulability"),
    _text("state"),
    _instant("lease_until", nullable=True),
    _one_of("schedulability", Schedulability),
    _one_of("state", ClusterState),
)

nodes = Table(
    "nodes",
    metadata,
    _id("id"),
    Column("cluster", Text, ForeignKey("clusters.id"), nullable=False),
    Column("launch_token", Text, nullable=False, unique=True),
    _text("state"),
    _instant("ended_at", nullable=True),
    _body(Node),
    _one_of("state", NodeState),
    Index("ix_nodes_alive", "id", postgresql_where=text("state NOT IN ('terminated', 'failed')")),
)

replicas = Table(
    "replicas",
    metadata,
    _id("id"),
    Column("cluster", Text, ForeignKey("clusters.id"), nullable=False),
    _text("deployment"),
    _text("state"),
    _instant("ended_at", nullable=True),
    _body(Replica),
    _one_of("state", ReplicaState),
    Index("ix_replicas_alive", "id", postgresql_where=text("state NOT IN ('stopped', 'failed', 'lost')")),
    Index("ix_replicas_ended_at", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
)

# State, decided_by and ended_at change after the plan is made; the columns are the truth, the body keeps the plan as it was decided.
plans = Table(
    "plans",
    metadata,
    _id("id"),
    _instant("created_at"),
    _text("state"),
    _text("decided_by"),
    _instant("ended_at", nullable=True),
    _body(Plan),
    _one_of("state", PlanState),
    Index("ix_plans_created_at", "created_at"),
    Index("ix_plans_applying", "created_at", postgresql_where=text("state = 'applying'")),
)

moves = Table(
    "moves",
    metadata,
    _id("id"),
    Column("position", BigInteger, Identity(always=True), nullable=False),
    _text("plan"),
    _text("kind"),
    _text("state"),
    _body(Move),
    _one_of("kind", MoveKind),
    _one_of("state", MoveState),
    Index("ix_moves_plan", "plan"),
    Index("ix_moves_position", "position"),
    Index("ix_moves_open", "id", postgresql_where=text("state NOT IN ('stopped', 'failed', 'cancelled')")),
)

desired_states = Table(
    "desired_states",
    metadata,
    Column("cluster", Text, ForeignKey("clusters.id"), primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    _body(DesiredState),
)

# --- agents ----------------------------------------------------------------------------------------------------------------------

agent_reports = Table(
    "agent_reports",
    metadata,
    Column("cluster", Text, ForeignKey("clusters.id"), primary_key=True),
    _instant("observed_at"),
    _instant("lease_until"),
    _body(ObservedState),
)

notices = Table(
    "notices",
    metadata,
    _id("node"),
    _id("kind"),
    _instant("deadline", nullable=True),
    _instant("received_at"),
    Column("handled", Boolean, nullable=False, server_default=text("false")),
    _body(Notice),
    Index("ix_notices_open", "received_at", postgresql_where=text("NOT handled")),
)

# --- events, leases, runs --------------------------------------------------------------------------------------------------------

events = Table(
    "events",
    metadata,
    Column("sequence", BigInteger, Identity(always=True), primary_key=True),
    _instant("at"),
    _text("kind"),
    _text("subject"),
    _text("message"),
    Column("data", JSONB, nullable=False),
    Index("ix_events_kind", "kind", "sequence"),
    Index("ix_events_at", "at"),
)

# One row: who leads. The epoch only ever grows.
leadership = Table(
    "leadership",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=text("true")),
    _text("holder"),
    Column("epoch", BigInteger, nullable=False),
    _instant("until"),
    CheckConstraint("single", name="one_row"),
)

runs = Table(
    "runs",
    metadata,
    _id("job"),
    Column("run_date", Date, primary_key=True),
    _instant("started_at"),
    _instant("heartbeat_at"),
    _text("outcome"),
    _text("step"),
    Column("report", JSONB, nullable=False),
    CheckConstraint("outcome IN ('', 'done', 'failed')", name="outcome_known"),
)

# --- ledger and keys -------------------------------------------------------------------------------------------------------------

token_usage = Table(
    "token_usage",
    metadata,
    Column("minute", DateTime(timezone=True), primary_key=True),
    _id("tenant"),
    _id("deployment"),
    _id("replica"),
    Column("requests", BigInteger, nullable=False),
    Column("failures", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    _not_negative("requests", "failures", "input_tokens", "output_tokens"),
)

node_usage = Table(
    "node_usage",
    metadata,
    Column("minute", DateTime(timezone=True), primary_key=True),
    _id("node"),
    _id("deployment"),
    _id("phase"),
    Column("seconds", Float, nullable=False),
    Column("cost_micro_usd", BigInteger, nullable=False),
    CheckConstraint("phase IN ('serving', 'idle', 'starting', 'draining', 'overlap')", name="phase_known"),
    _not_negative("seconds", "cost_micro_usd"),
)

api_keys = Table(
    "api_keys",
    metadata,
    _id("id"),
    _text("role"),
    _text("subject"),
    Column("sha256", Text, nullable=False, unique=True),
    _instant("created_at"),
    _instant("revoked_at", nullable=True),
    CheckConstraint("role IN ('viewer', 'operator', 'agent', 'node', 'client')", name="role_known"),
    CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256_is_a_hash"),
)

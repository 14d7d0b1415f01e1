"""What can be rented: instance types, offers, evidence of availability, quotas and reservations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CapacityType(StrEnum):
    ON_DEMAND = "on-demand"
    SPOT = "spot"
    RESERVED = "reserved"
    CAPACITY_BLOCK = "capacity-block"
    ENDPOINT = "endpoint"

    @property
    def revocable(self) -> bool:
        """True where the provider may take the node back."""
        return self is CapacityType.SPOT


class AvailabilityKind(StrEnum):
    """How a provider speaks of stock. Kinds are never converted into one another."""

    COUNT = "count"
    BUCKET = "bucket"
    BOOLEAN = "boolean"
    SCORE = "score"
    UNKNOWN = "unknown"


class StockBucket(StrEnum):
    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Availability:
    """Evidence that an offer can launch now. Unknown is not sold out.

    Attributes:
        count: instances that could launch, for COUNT.
        bucket: coarse stock, for BUCKET.
        available: yes or no, for BOOLEAN.
        score: 0 to 1, for SCORE.
    """

    kind: AvailabilityKind = AvailabilityKind.UNKNOWN
    count: int | None = None
    bucket: StockBucket | None = None
    available: bool | None = None
    score: float | None = None

    @staticmethod
    def of_count(count: int) -> Availability:
        return Availability(AvailabilityKind.COUNT, count=count)

    @staticmethod
    def of_bucket(bucket: StockBucket) -> Availability:
        return Availability(AvailabilityKind.BUCKET, bucket=bucket)

    @staticmethod
    def of_boolean(available: bool) -> Availability:
        return Availability(AvailabilityKind.BOOLEAN, available=available)

    @staticmethod
    def of_score(score: float) -> Availability:
        return Availability(AvailabilityKind.SCORE, score=score)

    @property
    def sold_out(self) -> bool:
        """True only where the provider says that nothing is left."""
        return self.count == 0 or self.bucket is StockBucket.NONE or self.available is False

    def text(self) -> str:
        """The evidence in the provider's own words."""
        match self.kind:
            case AvailabilityKind.COUNT:
                return f"{self.count} left"
            case AvailabilityKind.BUCKET:
                return f"stock {self.bucket}"
            case AvailabilityKind.BOOLEAN:
                return "available" if self.available else "sold out"
            case AvailabilityKind.SCORE:
                return f"score {self.score:.2f}"
            case _:
                return "unknown"


class SourceKind(StrEnum):
    """Where a price comes from. Every screen shows it."""

    LIVE = "live"
    SNAPSHOT = "snapshot"
    SIMULATED = "simulated"
    DECLARED = "declared"


@dataclass(frozen=True, slots=True)
class InstanceType:
    """A named hardware shape of one provider.

    Attributes:
        accelerator: catalogue key, such as ``H100-80GB-SXM``.
        quota_family: the provider's name of the quota this type draws on, "" where none is known.
    """

    provider: str
    name: str
    accelerator: str
    accelerator_count: int
    vcpus: int
    memory_gib: float
    quota_family: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """An instance type in a zone under a capacity type, at a price, at an instant, from a source.

    Attributes:
        account: which of our accounts at the provider; "default" unless several are set up.
        zone: the provider's zone, or the region's name where it sells by region.
        price_micro_usd_per_h: the whole instance for one hour; never per GPU.
        interruptions_per_h: expected interruptions per node and hour, None where unknown.
        notice_s: warning time before an interruption, 0 where the provider gives none.
        launch_s: expected time from launch call to joined node.
        currency_note: how a non-USD price was converted, "" for USD.
        feed: the name of the provider that told it and launches it where that is not the cloud itself: a broker; "" otherwise.
    """

    instance_type: InstanceType
    region: str
    zone: str
    capacity_type: CapacityType
    price_micro_usd_per_h: int
    availability: Availability
    observed_at: datetime
    source_kind: SourceKind
    source: str
    account: str = "default"
    jurisdiction: str = ""
    interruptions_per_h: float | None = None
    notice_s: int = 0
    launch_s: int = 180
    currency_note: str = ""
    feed: str = ""

    @property
    def provider(self) -> str:
        return self.instance_type.provider

    @property
    def id(self) -> str:
        """Stable identity over time: provider/account/region/zone/type/capacity."""
        return offer_id(self.provider, self.account, self.region, self.zone, self.instance_type.name, self.capacity_type)

    @property
    def price_micro_usd_per_gpu_h(self) -> int:
        return self.price_micro_usd_per_h // max(1, self.instance_type.accelerator_count)


def offer_id(provider: str, account: str, region: str, zone: str, instance_type: str, capacity_type: CapacityType) -> str:
    """Build an offer id; the one place that knows its form."""
    return f"{provider}/{account}/{region}/{zone}/{instance_type}/{capacity_type.value}"


class QuotaUnit(StrEnum):
    VCPU = "vcpu"
    GPU = "gpu"
    INSTANCE = "instance"


@dataclass(frozen=True, slots=True)
class Quota:
    """The provider's limit on us, in the provider's own unit.

    Attributes:
        region: "" where the limit holds over all regions.
        family: matches ``InstanceType.quota_family``.
        capacity_types: which purchases count against it.
        used: units in use outside what headrace runs itself.
    """

    provider: str
    account: str
    region: str
    family: str
    unit: QuotaUnit
    limit: int
    capacity_types: tuple[CapacityType, ...]
    observed_at: datetime
    used: int = 0

    @property
    def id(self) -> str:
        kinds = "+".join(sorted(kind.value for kind in self.capacity_types))
        return f"{self.provider}/{self.account}/{self.region or '*'}/{self.family}/{kinds}"

    def covers(self, offer: Offer) -> bool:
        """True where a node from this offer draws on this quota."""
        return (
            offer.provider == self.provider
            and offer.account == self.account
            and self.region in ("", offer.region)
            and offer.instance_type.quota_family == self.family
            and offer.capacity_type in self.capacity_types
        )

    def units_of(self, instance_type: InstanceType) -> int:
        """Units that one node of this type draws."""
        match self.unit:
            case QuotaUnit.VCPU:
                return instance_type.vcpus
            case QuotaUnit.GPU:
                return instance_type.accelerator_count
            case QuotaUnit.INSTANCE:
                return 1


@dataclass(frozen=True, slots=True)
class Reservation:
    """Capacity held for us; paid whether used or not, so it costs nothing at the margin until it is full.

    Attributes:
        count: nodes held; ``starts_at`` and ``ends_at`` bound a capacity block, None where open.
        sunk_micro_usd_per_h: what is paid per node and hour in any case.
    """

    id: str
    provider: str
    account: str
    region: str
    zone: str
    instance_type: str
    count: int
    sunk_micro_usd_per_h: int
    observed_at: datetime
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def holds_at(self, now: datetime) -> bool:
        return (self.starts_at is None or self.starts_at <= now) and (self.ends_at is None or now < self.ends_at)

"""A region's price list file as AWS publishes it, made while it is sent: what a test wants to find, among as many other rows as wanted.

Columns and words are those of the published EC2 file. All noise rows have one length, so that the file can be sent from any byte on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle, islice

COLUMNS = (
    "SKU", "OfferTermCode", "RateCode", "TermType", "PriceDescription", "EffectiveDate", "StartingRange", "EndingRange", "Unit",
    "PricePerUnit", "Currency", "RelatedTo", "LeaseContractLength", "PurchaseOption", "OfferingClass", "Product Family", "serviceCode",
    "Location", "Location Type", "Instance Type", "Current Generation", "Instance Family", "vCPU", "Physical Processor", "Clock Speed",
    "Memory", "Storage", "Network Performance", "Processor Architecture", "Storage Media", "Volume Type", "Max Volume Size",
    "Max IOPS/volume", "Max IOPS Burst Performance", "Max throughput/volume", "Provisioned", "Tenancy", "EBS Optimized",
    "Operating System", "License Model", "Group", "Group Description", "Transfer Type", "From Location", "From Location Type",
    "To Location", "To Location Type", "usageType", "operation", "AvailabilityZone", "CapacityStatus", "ClassicNetworkingSupport",
    "Dedicated EBS Throughput", "ECU", "Elastic Graphics Type", "Enhanced Networking Supported", "From Region Code", "GPU",
    "GPU Memory", "Instance", "Intel AVX Available", "Intel AVX2 Available", "Intel Turbo Available", "MarketOption",
    "Normalization Size Factor", "Physical Cores", "Pre Installed S/W", "Processor Features", "Product Type", "Region Code",
    "Resource Type", "serviceName", "SnapshotArchiveFeeType", "To Region Code", "Volume API Name", "VPCNetworkingSupport",
)  # fmt: skip
PREAMBLE = (
    '"FormatVersion","v1.0"',
    '"Disclaimer","This pricing list is for informational purposes only."',
    '"Publication Date","2026-11-01T00:00:00Z"',
    '"Version","{edition}"',
    '"OfferCode","AmazonEC2"',
)
PART_BYTES = 2**16

Words = dict[str, str]

USUAL: Words = {
    "TermType": "OnDemand", "EffectiveDate": "2026-11-01", "StartingRange": "0", "EndingRange": "Inf", "Unit": "Hrs", "Currency": "USD",
    "PricePerUnit": "7.7700000000", "Product Family": "Compute Instance", "serviceCode": "AmazonEC2", "Location Type": "AWS Region",
    "Current Generation": "Yes", "Instance Family": "General purpose", "vCPU": "96", "Memory": "384 GiB", "Tenancy": "Shared",
    "Operating System": "Linux", "License Model": "No License required", "CapacityStatus": "Used", "MarketOption": "OnDemand",
    "Pre Installed S/W": "NA", "Instance Type": "m7i.24xlarge", "serviceName": "Amazon Elastic Compute Cloud",
    "Physical Processor": "Intel Xeon Scalable (Sapphire Rapids)", "Clock Speed": "3.2 GHz", "Storage": "EBS only",
}  # fmt: skip
_RESERVED: Words = {"TermType": "Reserved", "LeaseContractLength": "3yr", "PurchaseOption": "All Upfront", "OfferingClass": "convertible",
                    "StartingRange": "", "EndingRange": ""}  # fmt: skip
RESERVED_PER_SORT = 10
"""A type is sold reserved in some twenty ways for each that it is sold on demand."""

OTHERS: tuple[Words, ...] = (
    *[_RESERVED | {"Instance Type": name, "Unit": unit} for name in ("m7i.24xlarge", "p5.48xlarge") for unit in ("Hrs", "Quantity")]
    * RESERVED_PER_SORT,
    {},
    {"Instance Type": "p5.48xlarge", "Tenancy": "Dedicated"},
    {"Instance Type": "p5.48xlarge", "Operating System": "Windows", "License Model": "Bring your own license"},
    {"Instance Type": "p5.48xlarge", "CapacityStatus": "AllocatedCapacityReservation", "PricePerUnit": "0.0000000000"},
    {"Instance Type": "p5.48xlarge", "CapacityStatus": "UnusedCapacityReservation"},
    {"Instance Type": "p5.48xlarge", "MarketOption": "CapacityBlock", "PricePerUnit": "0.0000000000"},
    {"Instance Type": "g6.xlarge", "Pre Installed S/W": "SQL Std"},
    {"Instance Type": "g6.xlarge", "Region Code": "us-east-1-bos-1", "Location Type": "AWS Local Zone"},
    {"Product Family": "Data Transfer", "Instance Type": "", "Unit": "GB", "Operating System": "", "Transfer Type": "InterRegion Outbound"},
)
"""What is not the Linux price of a shared machine by the hour, or not of a machine with accelerators."""


class PriceListFile:
    """The file of one region.

    Args:
        sold: what the file says beside the noise, one half of it at the beginning and the other at the end.
        bytes_min: how big the file is at least. edition: tells one publication from the next; it is in the version.
    """

    def __init__(self, region: str, sold: Sequence[Words], bytes_min: int, edition: str = "20261101000000") -> None:
        self.version = f'"{edition}-{region}"'
        middle = (len(sold) + 1) // 2
        names = _line(dict(zip(COLUMNS, COLUMNS, strict=True)))
        self._head = _lines(
            [*(line.format(edition=edition) for line in PREAMBLE), names]
            + [_row(region, f"HEAD{number}", words) for number, words in enumerate(sold[:middle])]
        )
        self._tail = _lines([_row(region, f"TAIL{number}", words) for number, words in enumerate(sold[middle:])])
        plain = [_row(region, "N%015d", words) for words in OTHERS]
        width = max(map(len, plain))
        padded = [
            _row(region, "N%015d", {**words, "PriceDescription": "." * (width - len(row))})
            for words, row in zip(OTHERS, plain, strict=True)
        ]
        self._noise = [line.encode() + b"\n" for line in padded]
        self._width = len(self._noise[0] % 0)
        self._rows = max(0, -(-(bytes_min - len(self._head) - len(self._tail)) // self._width))
        self.size = len(self._head) + self._rows * self._width + len(self._tail)

    def parts(self, offset: int = 0) -> Iterator[bytes]:
        """The bytes from an offset on, in pieces."""
        piece = bytearray(self._head[offset:])
        skipped = max(0, offset - len(self._head))
        first, inside = min(divmod(skipped, self._width), (self._rows, skipped - self._rows * self._width))
        kinds = islice(cycle(self._noise), first % len(self._noise), None)
        for number, kind in zip(range(first, self._rows), kinds, strict=False):
            piece += (kind % number)[inside:]
            inside = 0
            if len(piece) >= PART_BYTES:
                yield bytes(piece)
                piece.clear()
        piece += self._tail[inside:]
        yield bytes(piece)


def _row(region: str, sku: str, words: Words) -> str:
    code = {"SKU": sku, "OfferTermCode": "JRTCKXETXF", "RateCode": "A.JRTCKXETXF.6YS6EN2CT7", "Region Code": region, "Location": region}
    return _line({**USUAL, **code, **words})


def _line(words: Words) -> str:
    return ",".join(f'"{words.get(column, "")}"' for column in COLUMNS)


def _lines(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()

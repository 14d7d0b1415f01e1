"""AWS, played: EC2's query protocol in XML, price list and quotas in JSON, signed requests, several regions behind one address.

Every request is read by the input shapes of botocore's own models and every answer written by the output shapes: a field that AWS
does not have is refused.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatch
from typing import Any

from scheduler.domain.ports import ProviderSettings
from simulations.vendors.answers import Stream
from simulations.vendors.awswire import AwsError, as_json, as_xml, model_of, order_of, refused
from simulations.vendors.estate import Estate, Machine, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, PageExpiredError, Product, RefusedError, Seen, system_clock, timely
from simulations.vendors.pricefile import PriceListFile
from simulations.vendors.server import Route

ACCESS, SECRET = "AKIAFAKEFAKEFAKEFAKE", "fake/secret/key"
XMLNS = "http://ec2.amazonaws.com/doc/2016-11-15/"
REGIONS = ("eu-central-1", "us-east-1")
PAGE_ROWS = 3
VENDOR_PAGE_ROWS = {"InstanceTypeOfferings": 1000, "SpotPriceHistory": 1000}
VENDOR_PRICE_FILE_BYTES = 300 * 10**6
SPOILT = {401: "AuthFailure", 429: "RequestLimitExceeded", 500: "InternalError", 503: "Unavailable"}
QUOTAS = {
    "L-DB2E81BA": ("Running On-Demand G and VT instances", 64.0),
    "L-3819A6DF": ("All G and VT Spot Instance Requests", 16.0),
    "L-417A185B": ("Running On-Demand P instances", 192.0),
    "L-0263D0A3": ("EC2-VPC Elastic IPs", 5.0),
}

Row = dict[str, Any]


class Aws(Fake):
    """``ec2``, ``api.pricing`` and ``servicequotas``; the signature's scope tells service and region."""

    kind = "aws"
    scalable = True
    sdk = "boto3"
    schema = "service models of botocore"
    paged = True
    regional = True
    signed = True

    def __init__(self, estate: Estate | None = None) -> None:
        super().__init__(estate)
        self.reservations: list[Row] = []
        self.page_rows = PAGE_ROWS
        self.price_file_bytes = 300_000
        self.edition = "20261101000000"
        self.may_list_products = True

    @classmethod
    def products(cls) -> Sequence[Product]:
        return (
            Product("p5.48xlarge", "H100", 8, 80, 192, 2048, 55.04, {"us-east-1a": 2, "us-east-1b": 0}, 22.31),
            Product("g6.xlarge", "L4", 1, 24, 4, 16, 0.8048, {"us-east-1a": 4, "us-east-1b": 1, "eu-central-1a": 4}, 0.3219),
            Product("g5.12xlarge", "A10G", 4, 24, 48, 192, 5.672, {"us-east-1b": 1, "eu-central-1b": 2}),
            Product("p4d.24xlarge", "A100", 8, 40, 96, 1152, 21.957642, {"eu-central-1a": 1}, 9.9341),
            Product("inf2.xlarge", "Inferentia2", 1, 32, 4, 16, 0.7582, {"us-east-1a": 3}, 0.1893),
        )

    def settings(self, url: str) -> ProviderSettings:
        return ProviderSettings(
            "aws", "aws", account="main", endpoint=url, options={"image": "ami-0123456789abcdef0", "price_endpoint": url}
        )

    def grow(self) -> None:
        self.page_rows, self.price_file_bytes = 0, VENDOR_PRICE_FILE_BYTES

    def environ(self) -> Mapping[str, str]:
        return {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET}

    def routes(self) -> list[Route]:
        file = r"/offers/v1\.0/aws/AmazonEC2/current/(?P<region>[a-z0-9-]+)/index\.csv"
        return [("POST", "/", self._answer), ("GET", file, self._price_file)]

    def spoilt(self, status: int) -> Answer:
        return refused("ec2", SPOILT[status], status)

    def is_launch(self, asked: Asked) -> bool:
        return operation_of(asked) == "RunInstances"

    def is_release(self, asked: Asked) -> bool:
        return operation_of(asked) == "TerminateInstances"

    def region_of(self, asked: Asked) -> str:
        match operation_of(asked):
            case "DescribeRegions":
                return ""
            case "" if asked.path.startswith("/offers/"):
                return asked.path.split("/")[-2]
            case "GetProducts":
                return next(str(each["Value"]) for each in asked.body["Filters"] if each["Field"] == "regionCode")
        return _scope(asked)[0]

    # the protocol ---------------------------------------------------------------------------------------------------------------

    def _answer(self, asked: Asked) -> Answer:
        operation, (region, service) = operation_of(asked), _scope(asked)
        calls: Mapping[str, Callable[[Row, str], Row]] = {
            "DescribeRegions": self._regions,
            "DescribeInstanceTypes": self._types,
            "DescribeInstanceTypeOfferings": self._offerings,
            "DescribeSpotPriceHistory": self._spot_prices,
            "DescribeCapacityReservations": self._reservations,
            "DescribeInstances": self._instances,
            "RunInstances": self._run,
            "TerminateInstances": self._terminate,
            "GetProducts": self._products,
            "ListServiceQuotas": self._quotas,
        }
        try:
            self._authentic(asked, region, service)
            shapes = model_of(service).operation_model(operation)
            order = order_of(asked, shapes.input_shape, service)
            body = calls[operation](order, region)
        except RefusedError as refusal:
            code = "InsufficientInstanceCapacity" if refusal.refusal is Refusal.STOCKOUT else "VcpuLimitExceeded"
            return refused(service, code)
        except PageExpiredError:
            return refused(service, "InvalidNextToken" if service == "ec2" else "ExpiredNextTokenException")
        except AwsError as error:
            return refused(service, error.code, message=str(error))
        if service != "ec2":
            return Answer(as_json(shapes.output_shape, body), headers={"Content-Type": "application/x-amz-json-1.1"})
        inside = as_xml(shapes.output_shape, body)
        told = f'<{operation}Response xmlns="{XMLNS}"><requestId>r-1</requestId>{inside}</{operation}Response>'
        return Answer(told, headers={"Content-Type": "text/xml;charset=UTF-8"})

    def _authentic(self, asked: Asked, region: str, service: str) -> None:
        """botocore's own signer signs the same request again."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        wrong, late = (
            ("AuthFailure", "RequestExpired") if service == "ec2" else ("UnrecognizedClientException", "InvalidSignatureException")
        )
        told = dict(re.findall(r"(Credential|SignedHeaders|Signature)=([^, ]+)", asked.headers.get("authorization", "")))
        names = told.get("SignedHeaders", "").split(";")
        if not told.get("Credential", "").startswith(f"{ACCESS}/") or not {"host", "x-amz-date"} <= set(names):
            raise AwsError(wrong, "AWS was not able to validate the provided access credentials")
        stamp = asked.headers["x-amz-date"]
        if not timely(datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)):
            raise AwsError(late, "Request has expired.")
        signer = SigV4Auth(Credentials(ACCESS, SECRET), {"ec2": "ec2", "pricing": "pricing"}.get(service, "servicequotas"), region)
        signed = {name: asked.headers[name] for name in names}
        request = AWSRequest("POST", f"http://{asked.headers['host']}/", headers=signed, data=asked.raw)
        request.context["timestamp"] = stamp
        text = signer.string_to_sign(request, signer.canonical_request(request))
        if signer.signature(text, request) != told["Signature"]:
            raise AwsError(wrong, "The request signature we calculated does not match the signature you provided.")

    def check(self, asked: Asked, answer: Answer) -> None:
        """What botocore's parser reads is what was written."""
        from botocore.parsers import create_parser

        if answer.status == 200 and asked.method == "POST":
            model = model_of(_scope(asked)[1])
            body = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
            shape = model.operation_model(operation_of(asked)).output_shape
            read = create_parser(model.protocol).parse({"body": body.encode(), "headers": {}, "status_code": 200}, shape)
            assert read.keys() - {"ResponseMetadata"}, f"botocore reads nothing from {body[:200]}"

    # the catalogue --------------------------------------------------------------------------------------------------------------

    def _page(self, key: str, found: Sequence[Any], order: Row) -> Row:
        size = self.page_rows or VENDOR_PAGE_ROWS.get(key, 100)
        shown, following = self.estate.page(found, order.get("NextToken", ""), size)
        return {key: shown, **({"NextToken": following} if following else {})}

    def _regions(self, order: Row, region: str) -> Row:
        return {"Regions": [{"RegionName": name, "Endpoint": f"ec2.{name}.amazonaws.com", "OptInStatus": "opt-in-not-required"}
                            for name in REGIONS]}  # fmt: skip

    def _sold(self, region: str) -> list[Product]:
        return [each for each in self.estate.products if any(place[:-1] == region for place in each.stock)]

    def _types(self, order: Row, region: str) -> Row:
        cpu = Product("m7i.large", "", 0, 0, 2, 8, 0.1008, {}, None)
        visualisation = Product("g0.none", "", 0, 0, 2, 8, 0.1, {}, None)
        wanted = _wanted(order, "instance-type")
        return self._page("InstanceTypes", [_type(each) for each in (*self._sold(region), visualisation, cpu) if wanted(each.name)], order)

    def _offerings(self, order: Row, region: str) -> Row:
        if order.get("LocationType") != "availability-zone":
            raise AwsError("InvalidParameterValue", "the fake tells zones only")
        wanted = _wanted(order, "instance-type")
        found = [
            {"InstanceType": each.name, "LocationType": "availability-zone", "Location": place}
            for each in self._sold(region)
            for place in each.stock
            if place[:-1] == region and wanted(each.name)
        ]
        return self._page("InstanceTypeOfferings", found, order)

    def _spot_prices(self, order: Row, region: str) -> Row:
        old = datetime(2026, 1, 1, tzinfo=UTC)
        found = [
            {"InstanceType": each.name, "AvailabilityZone": place, "ProductDescription": system, "SpotPrice": price, "Timestamp": at}
            for each in self._sold(region)
            for place in each.stock
            for system in ("Linux/UNIX", "Windows")
            for price, at in ((f"{each.spot_usd_per_h}00", system_clock()), ("99.000000", old))
            if each.spot_usd_per_h is not None and place[:-1] == region
            if each.name in order.get("InstanceTypes", [each.name]) and system in order.get("ProductDescriptions", [system])
        ]
        return self._page("SpotPriceHistory", found, order)

    def _products(self, order: Row, region: str) -> Row:
        if not self.may_list_products:
            raise AwsError("AccessDeniedException", "User is not authorized to perform: pricing:GetProducts")
        if region != "us-east-1" or order["ServiceCode"] != "AmazonEC2":
            raise AwsError("NotFoundException", "the price list answers in us-east-1")
        terms = {each["Field"]: each["Value"] for each in order["Filters"]}
        found = [
            _listed(each, terms["regionCode"], tenancy) for each in self._sold(terms["regionCode"]) for tenancy in ("Shared", "Dedicated")
        ]
        fits = [row for row in found if all(row["product"]["attributes"].get(name) == value for name, value in terms.items())]
        return {"FormatVersion": "aws_v1", **self._page("PriceList", [json.dumps(row) for row in fits], order)}

    def _price_file(self, asked: Asked) -> Answer:
        """Public: without signature. A range holds only for the edition that it was asked of."""
        region = asked.parts["region"]
        if region not in REGIONS:
            return Answer("<Error><Code>AccessDenied</Code></Error>", 403, {"Content-Type": "application/xml"})
        sold = [
            {"Instance Type": each.name, "Instance Family": "GPU instance", "PricePerUnit": f"{each.usd_per_h:.10f}", "GPU": str(each.gpus)}
            for each in self._sold(region)
        ]
        file = PriceListFile(region, sold, self.price_file_bytes, self.edition)
        told = {"Content-Type": "text/csv", "ETag": file.version, "Accept-Ranges": "bytes"}
        if asked.headers.get("if-none-match") == file.version:
            return Answer("", 304, told)
        start = re.fullmatch(r"bytes=(\d+)-", asked.headers.get("range", ""))
        if start is None or asked.headers.get("if-range") != file.version:
            return Answer(Stream(file.size, file.parts), headers=told)
        offset = int(start[1])
        told["Content-Range"] = f"bytes {offset}-{file.size - 1}/{file.size}"
        return Answer(Stream(file.size - offset, lambda: file.parts(offset)), 206, told)

    def _quotas(self, order: Row, region: str) -> Row:
        found = [
            {"ServiceCode": "ec2", "QuotaCode": code, "QuotaName": name, "Value": value, "Unit": "None", "Adjustable": True}
            for code, (name, value) in QUOTAS.items()
        ]
        return self._page("Quotas", found, order)

    def _reservations(self, order: Row, region: str) -> Row:
        return self._page("CapacityReservations", [row for row in self.reservations if row["AvailabilityZone"][:-1] == region], order)

    # machines -------------------------------------------------------------------------------------------------------------------

    def _instances(self, order: Row, region: str) -> Row:
        found = [machine for machine in self.estate.machines.values() if machine.place[:-1] == region and _tagged(machine, order)]
        return self._page(
            "Reservations", [{"ReservationId": f"r-{_id(each)[2:]}", "Instances": [_instance(each)]} for each in found], order
        )

    def _run(self, order: Row, region: str) -> Row:
        zone, spot = order["Placement"]["AvailabilityZone"], "InstanceMarketOptions" in order
        product = {each.name: each for each in self._sold(region)}.get(order["InstanceType"])
        if zone[:-1] != region:
            raise AwsError("InvalidParameterValue", f"Invalid availability zone: [{zone}]")
        if product is None:
            raise AwsError("InvalidParameterValue", f"Invalid value '{order['InstanceType']}' for InstanceType.")
        if zone not in product.stock or (spot and product.spot_usd_per_h is None):
            raise AwsError("Unsupported", f"Your requested instance type ({product.name}) is not supported in {zone}.")
        if not order["ImageId"].startswith("ami-") or (order["MinCount"], order["MaxCount"]) != (1, 1):
            raise AwsError("InvalidAMIID.Malformed", f"Invalid id: {order['ImageId']!r}")
        base64.b64decode(order["UserData"], validate=True)
        tags = next(each["Tags"] for each in order["TagSpecifications"] if each["ResourceType"] == "instance")
        words = {f"tag:{tag['Key']}": tag["Value"] for tag in tags}
        machine = self.estate.create(product.name, zone, spot=spot, words=words, token=order.get("ClientToken", ""))
        if (machine.product, machine.place, machine.spot) != (product.name, zone, spot):
            raise AwsError("IdempotentParameterMismatch", "The client token has been used with other parameters.")
        return {"ReservationId": "r-1", "Instances": [_instance(machine)]}

    def _terminate(self, order: Row, region: str) -> Row:
        ids = {_id(machine): machine for machine in self.estate.machines.values() if machine.place[:-1] == region}
        for wanted in order["InstanceIds"]:
            if wanted not in ids:
                raise AwsError("InvalidInstanceID.NotFound", f"The instance ID '{wanted}' does not exist")
            self.estate.delete(ids[wanted].id)
        return {"TerminatingInstances": [{"InstanceId": wanted, "CurrentState": {"Code": 48, "Name": "terminated"}}
                                         for wanted in order["InstanceIds"]]}  # fmt: skip

    # the vendor's own view ------------------------------------------------------------------------------------------------------

    def read_with_sdk(self, url: str) -> Iterable[Seen]:
        import boto3

        session = boto3.Session(ACCESS, SECRET)

        def all_of(service: str, region: str, operation: str, key: str, **arguments: Any) -> list[Any]:
            client = session.client(service, region_name=region, endpoint_url=url)  # type: ignore[call-overload]
            return [row for page in client.get_paginator(operation).paginate(**arguments) for row in page[key]]

        for region in REGIONS:
            types = all_of("ec2", region, "describe_instance_types", "InstanceTypes")
            names = [row["InstanceType"] for row in types if "GpuInfo" in row or "NeuronInfo" in row]
            filters = [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": region}]
            terms = [json.loads(text) for text in all_of("pricing", "us-east-1", "get_products", "PriceList", ServiceCode="AmazonEC2",
                                                         Filters=filters)]  # fmt: skip
            prices = {row["product"]["attributes"]["instanceType"]: _usd(row) for row in terms
                      if row["product"]["attributes"]["tenancy"] == "Shared"}  # fmt: skip
            for row in all_of("ec2", region, "describe_instance_type_offerings", "InstanceTypeOfferings", LocationType="availability-zone"):
                if row["InstanceType"] in names:
                    yield Seen(row["InstanceType"], row["Location"], False, round(prices[row["InstanceType"]] * 1e6), None)
            history = all_of("ec2", region, "describe_spot_price_history", "SpotPriceHistory", ProductDescriptions=["Linux/UNIX"])
            newest = {(row["InstanceType"], row["AvailabilityZone"]): row for row in sorted(history, key=lambda row: row["Timestamp"])}
            for (name, zone), row in newest.items():
                yield Seen(name, zone, True, round(float(row["SpotPrice"]) * 1e6), None)


# --- how AWS words things -------------------------------------------------------------------------------------------------------------


def operation_of(asked: Asked) -> str:
    """What was asked for: a header in JSON, a field in EC2's own protocol."""
    target = asked.headers.get("x-amz-target", "")
    return target.rpartition(".")[2] if target else str((asked.body or {}).get("Action", ""))


def _scope(asked: Asked) -> tuple[str, str]:
    """Region and service that the request was signed for."""
    found = re.search(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/", asked.headers.get("authorization", ""))
    region, signed = (found[1], found[2]) if found else ("us-east-1", "ec2")
    return region, {"servicequotas": "service-quotas"}.get(signed, signed)


def _wanted(order: Row, name: str) -> Callable[[str], bool]:
    """What the filters say; a value may hold wildcards."""
    patterns = [each["Values"] for each in order.get("Filters", []) if each["Name"] == name]
    return lambda text: all(any(fnmatch(text, pattern) for pattern in values) for values in patterns)


def _type(product: Product) -> Row:
    row: Row = {
        "InstanceType": product.name,
        "CurrentGeneration": True,
        "SupportedUsageClasses": ["on-demand", *(["spot"] if product.spot_usd_per_h is not None else [])],
        "VCpuInfo": {"DefaultVCpus": product.vcpus, "DefaultCores": product.vcpus // 2, "DefaultThreadsPerCore": 2},
        "MemoryInfo": {"SizeInMiB": product.memory_gib * 1024},
    }
    memory = {"SizeInMiB": product.gpu_memory_gib * 1024}
    total = product.gpus * product.gpu_memory_gib * 1024
    if product.name.startswith("inf"):
        device = {"Name": product.gpu, "Count": product.gpus, "CoreInfo": {"Count": 2, "Version": 2}, "MemoryInfo": memory}
        row["NeuronInfo"] = {"NeuronDevices": [device], "TotalNeuronDeviceMemoryInMiB": total}
    elif product.gpus:
        device = {"Name": product.gpu, "Manufacturer": "NVIDIA", "Count": product.gpus, "MemoryInfo": memory}
        row["GpuInfo"] = {"Gpus": [device], "TotalGpuMemoryInMiB": total}
    return row


def _listed(product: Product, region: str, tenancy: str) -> Row:
    attributes = {
        "instanceType": product.name,
        "regionCode": region,
        "tenancy": tenancy,
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
        "operatingSystem": "Linux",
        "marketoption": "OnDemand",
        "instanceFamily": "Machine Learning ASIC Instances" if product.name.startswith("inf") else "GPU instance",
    }
    usd = product.usd_per_h * (1 if tenancy == "Shared" else 1.1)
    dimension = {"unit": "Hrs", "rateCode": "A.JRTCKXETXF.6YS6EN2CT7", "pricePerUnit": {"USD": f"{usd:.10f}"}}
    term = {"offerTermCode": "JRTCKXETXF", "priceDimensions": {"A.JRTCKXETXF.6YS6EN2CT7": dimension}}
    return {"product": {"productFamily": "Compute Instance", "attributes": attributes, "sku": "A"}, "serviceCode": "AmazonEC2",
            "terms": {"OnDemand": {"A.JRTCKXETXF": term}}}  # fmt: skip


def _usd(row: Row) -> float:
    (term,) = row["terms"]["OnDemand"].values()
    (dimension,) = term["priceDimensions"].values()
    return float(dimension["pricePerUnit"]["USD"])


def _id(machine: Machine) -> str:
    return f"i-0{machine.id[:8]}00000000"


def _tags(machine: Machine) -> dict[str, str]:
    return {name.removeprefix("tag:"): value for name, value in machine.words.items() if name.startswith("tag:")}


def _tagged(machine: Machine, order: Row) -> bool:
    tags = _tags(machine)
    for each in order.get("Filters", []):
        if each["Name"] == "tag-key":
            fits = bool(set(each["Values"]) & set(tags))
        elif each["Name"].startswith("tag:"):
            fits = tags.get(each["Name"].removeprefix("tag:")) in each["Values"]
        else:
            raise AwsError("InvalidParameterValue", f"The filter '{each['Name']}' is invalid")
        if not fits:
            return False
    return True


def _instance(machine: Machine) -> Row:
    spot = {"InstanceLifecycle": "spot"} if machine.spot else {}
    return {
        "InstanceId": _id(machine),
        "InstanceType": machine.product,
        "State": {"Code": 16, "Name": "running"} if machine.running else {"Code": 48, "Name": "terminated"},
        "Placement": {"AvailabilityZone": machine.place, "Tenancy": "default"},
        "PrivateIpAddress": "10.0.0.7",
        "Tags": [{"Key": key, "Value": value} for key, value in _tags(machine).items()],
        **spot,
    }

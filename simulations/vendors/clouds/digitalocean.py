"""DigitalOcean, played: sizes with the regions that accept creates, numbered pages, GPU Droplets listed only when asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scheduler.domain.offer import Availability
from scheduler.domain.ports import ProviderSettings
from simulations.vendors.estate import Estate, Machine, PageExpiredError, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, Product, RefusedError, Seen, bearer
from simulations.vendors.server import Route

KEY = "dop_v1_fake"
IDS = {
    401: ("unauthorized", "Unable to authenticate you."),
    404: ("not_found", "The resource you were accessing could not be found."),
    429: ("too_many_requests", "API rate limit exceeded."),
    500: ("server_error", "Unexpected server-side error"),
    503: ("service_unavailable", "Service unavailable"),
}
REFUSALS = {
    Refusal.STOCKOUT: "Size is not available in this region.",
    Refusal.QUOTA: "creating this/these droplet(s) will exceed your droplet limit",
}
ORDER = {
    "name", "region", "size", "image", "ssh_keys", "backups", "backup_policy", "ipv6", "monitoring", "tags", "user_data",
    "private_networking", "volumes", "vpc_uuid", "with_droplet_agent", "public_networking",
}  # fmt: skip
PER_PAGE_MAX = 200
USER_DATA_BYTES_MAX = 64 * 1024


class DigitalOcean(Fake):
    """``api.digitalocean.com/v2``. A Droplet that fails after it was accepted is not listed."""

    kind = "digitalocean"
    scalable = True
    sdk = "pydo"
    paged = True
    late_stockouts = True

    def __init__(self, estate: Estate | None = None) -> None:
        super().__init__(estate)
        self._tokens: list[str] = [""]
        self._droplets: dict[str, str] = {}

    @classmethod
    def products(cls) -> Sequence[Product]:
        return (
            Product("gpu-mi300x8-1536gb", "amd_mi300x", 8, 192, 160, 1920, 20.72, {"nyc2": 1, "atl1": 1}),
            Product("gpu-h100x1-80gb", "nvidia_h100", 1, 80, 20, 240, 4.41, {"tor1": 4, "nyc2": 2}),
            Product("gpu-6000adax1-48gb", "nvidia_rtx6000_ada", 1, 48, 8, 64, 1.57, {"tor1": 1}),
            Product("gpu-l40sx1-48gb", "nvidia_l40s", 1, 48, 8, 64, 1.57, {"ams3": 3}),
        )

    def settings(self, url: str) -> ProviderSettings:
        options = {"image": "gpu-h100x1-base", "ssh_keys": "289794, 512190"}
        return ProviderSettings("digitalocean", "digitalocean", account="main", endpoint=url, options=options)

    def environ(self) -> Mapping[str, str]:
        return {"DIGITALOCEAN_TOKEN": KEY}

    def routes(self) -> list[Route]:
        return [
            ("GET", "/v2/sizes", self._sizes),
            ("GET", "/v2/droplets", self._list),
            ("POST", "/v2/droplets", self._create),
            ("DELETE", "/v2/droplets/(?P<id>[^/]+)", self._destroy),
        ]

    def spoilt(self, status: int) -> Answer:
        code, message = IDS[status]
        return Answer({"id": code, "message": message}, status)

    def read_with_sdk(self, url: str) -> Iterable[Seen]:
        from pydo import Client

        sizes = Client(token=KEY, endpoint=url).sizes.list(per_page=PER_PAGE_MAX, enforce_https=False)["sizes"]
        for size in sizes:
            for region in size["regions"] if size.get("gpu_info") else []:
                spot, stock = size["slug"].endswith("-spot"), Availability.of_boolean(size["available"]).text()
                yield Seen(size["slug"], region, spot, round(size["price_hourly"] * 1_000_000), stock)

    # the calls ------------------------------------------------------------------------------------------------------------------

    def _sizes(self, asked: Asked) -> Answer:
        if not bearer(asked, KEY):
            return self.spoilt(401)
        spot = Product("gpu-mi350x1-288gb-spot", "amd_mi350x", 1, 288, 24, 256, 2.46, {"ric1": 1})
        gated = Product("gpu-h200x1-141gb", "nvidia_h200", 1, 141, 24, 240, 4.47, {})
        without = Product("s-1vcpu-1gb", "", 0, 0, 1, 1, 0.00893, {"nyc1": 9, "tor1": 9})
        return self._paged(asked, "sizes", [_size(each) for each in (*self.estate.products, spot, gated, without)])

    def _list(self, asked: Asked) -> Answer:
        if not bearer(asked, KEY):
            return self.spoilt(401)
        if asked.query.keys() >= {"type", "tag_name"}:
            return Answer({"id": "bad_request", "message": "type can not be combined with tag_name"}, 400)
        listed = self.estate.running if asked.query.get("type") == "gpus" else []
        return self._paged(asked, "droplets", [self._droplet(machine) for machine in listed])

    def _paged(self, asked: Asked, name: str, rows: list[dict[str, Any]]) -> Answer:
        """Pages have numbers; behind each number is a token of the estate."""
        number, size = int(asked.query.get("page", 1)), int(asked.query.get("per_page", 20))
        if not 1 <= size <= PER_PAGE_MAX:
            return Answer({"id": "bad_request", "message": f"per_page must be between 1 and {PER_PAGE_MAX}"}, 400)
        try:
            page, token = self.estate.page(rows, self._tokens[number - 1], size)
        except PageExpiredError:
            return Answer({"id": "bad_request", "message": "invalid page"}, 400)
        links = {}
        if token:
            self._tokens += [] if token in self._tokens else [token]
            following = self._tokens.index(token) + 1
            links = {"pages": {"next": f"https://api.digitalocean.com{asked.path}?page={following}&per_page={size}"}}
        return Answer({name: page, "links": links, "meta": {"total": len(rows)}})

    def _create(self, asked: Asked) -> Answer:
        if not bearer(asked, KEY):
            return self.spoilt(401)
        order = asked.body
        if set(order) - ORDER or not all(order.get(name) for name in ("name", "region", "size", "image")):
            return _unprocessable(f"unknown or missing fields: {sorted(order)}")
        if len(order["user_data"].encode()) > USER_DATA_BYTES_MAX or not all(key.isdigit() for key in order["ssh_keys"]):
            return _unprocessable("user_data is too long, or a key is unknown")
        try:
            machine = self.estate.create(order["size"], order["region"], words={"name": order["name"]})
        except RefusedError as refused:
            return _unprocessable(REFUSALS[refused.refusal])
        action = {"id": 7515, "rel": "create", "href": "https://api.digitalocean.com/v2/actions/7515"}
        return Answer({"droplet": self._droplet(machine, "new"), "links": {"actions": [action]}}, 202)

    def _destroy(self, asked: Asked) -> Answer:
        if not bearer(asked, KEY):
            return self.spoilt(401)
        if not self.estate.delete(self._droplets.get(asked.parts["id"], "")):
            return self.spoilt(404)
        return Answer("", 204)

    def _droplet(self, machine: Machine, status: str = "active") -> dict[str, Any]:
        number, size = str(int(machine.id.partition("-")[0]) + 448_543_582), _size(self.estate.product(machine.product))
        self._droplets[number] = machine.id
        addresses = [
            {"ip_address": "10.128.192.124", "netmask": "255.255.0.0", "gateway": "nil", "type": "private"},
            {"ip_address": "192.0.2.154", "netmask": "255.255.255.0", "gateway": "192.0.2.1", "type": "public"},
        ]
        return {
            "id": int(number),
            "name": machine.words["name"],
            **{part: size[part] for part in ("memory", "vcpus", "disk", "disk_info", "gpu_info")},
            "locked": False,
            "status": status,
            "created_at": "2026-09-30T15:23:36Z",
            "features": ["droplet_agent", "private_networking"],
            "backup_ids": [],
            "next_backup_window": None,
            "snapshot_ids": [],
            "image": {"id": 166407044, "slug": "gpu-h100x1-base", "distribution": "Ubuntu"},
            "volume_ids": [],
            "size": size,
            "size_slug": size["slug"],
            "networks": {"v4": [] if status == "new" else addresses, "v6": []},
            "region": {"name": machine.place.title(), "slug": machine.place, "features": [], "available": True, "sizes": []},
            "tags": [],
            "vpc_uuid": "e2fdd15c-6ae6-4c11-8c5d-72dae2ba1ad1",
        }


def _unprocessable(message: str) -> Answer:
    return Answer({"id": "unprocessable_entity", "message": message}, 422)


def _size(product: Product) -> dict[str, Any]:
    gib = {"amount": product.gpus * product.gpu_memory_gib, "unit": "gib"}
    gpu = {"gpu_info": {"count": product.gpus, "model": product.gpu, "vram": gib}} if product.gpus else {}
    return {
        "slug": product.name,
        "memory": product.memory_gib * 1024,
        "vcpus": product.vcpus,
        "disk": 720,
        "transfer": 15.0,
        "price_monthly": product.usd_per_h * 744,
        "price_hourly": product.usd_per_h,
        "regions": sorted(place for place, stock in product.stock.items() if stock > 0),
        "available": True,
        "description": f"{product.gpu} - {product.gpus}X",
        "disk_info": [{"type": "local", "size": {"amount": 720, "unit": "gib"}}],
        **gpu,
    }

"""Together, played: the GPU types that each region supports, and nothing of prices or stock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scheduler.domain.ports import ProviderSettings
from simulations.vendors.fake import Answer, Asked, Fake, Product, Seen, bearer
from simulations.vendors.server import Route

KEY = "tgp_v1_fake"
REGIONS = ("us-central-8", "us-east-3")


class Together(Fake):
    """``api.together.ai/v1``, clusters. Prices of the H200 and the B200 are declared, as a person would."""

    kind = "together"
    sdk = "together"
    schema = "pydantic models of the SDK"
    launches = False
    priced = False

    @classmethod
    def products(cls) -> Sequence[Product]:
        first, second = REGIONS
        return (
            Product("8xH100_SXM", "H100_SXM", 8, 80, 0, 0, 31.92, {first: 1, second: 1}),
            Product("8xH200_SXM", "H200_SXM", 8, 141, 0, 0, 40.0, {second: 1}),
            Product("8xB200_SXM", "B200_SXM", 8, 180, 0, 0, 60.0, {first: 1}),
            Product("8xH100_SXM_INF", "H100_SXM_INF", 8, 80, 0, 0, 24.0, {first: 1}),
        )

    def settings(self, url: str) -> ProviderSettings:
        declared = {f"usd_per_gpu_h_{each.gpu}": str(each.usd_per_h / each.gpus) for each in self.products()[1:]}
        return ProviderSettings("together", "together", account="main", endpoint=f"{url}/v1", options={**declared})

    def environ(self) -> Mapping[str, str]:
        return {"TOGETHER_API_KEY": KEY}

    def routes(self) -> list[Route]:
        return [("GET", "/v1/compute/regions", self._regions)]

    def spoilt(self, status: int) -> Answer:
        return Answer({"error": {"message": "The server says no.", "type": "server_error", "param": None, "code": None}}, status)

    def _regions(self, asked: Asked) -> Answer:
        return Answer({"regions": [self._region(name) for name in REGIONS]}) if bearer(asked, KEY) else self.spoilt(401)

    def _region(self, name: str) -> dict[str, Any]:
        driver = {"id": f"{name}-570-128", "cuda_version": "12.8", "nvidia_driver_version": "570", "os": "ubuntu-22.04"}
        sold = [product.gpu for product in self.estate.products if name in product.stock]
        return {"name": name, "supported_instance_types": sold, "driver_versions": [driver]}

    def check(self, asked: Asked, answer: Answer) -> None:
        """The SDK's model must find every field, and know all that the fake tells."""
        from together.types.beta import ClusterListRegionsResponse

        if answer.status < 300:
            kept = ClusterListRegionsResponse.model_validate(answer.body, strict=True)
            unknown = [each.model_extra for each in (kept, *kept.regions) if each.model_extra]
            assert not unknown, f"the SDK does not know {unknown}"

    def read_with_sdk(self, url: str) -> Iterable[Seen]:
        """Regions and GPU types; the SDK knows neither prices nor stock. A node has eight GPUs by Together's own rule."""
        from together import Together as Client

        for region in Client(api_key=KEY, base_url=f"{url}/v1").beta.clusters.list_regions().regions:
            for gpu_type in region.supported_instance_types:
                yield Seen(f"8x{gpu_type}", region.name, False, None, None)

"""Prices, accelerator names and regions are understood or refused, never guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.cards import azure_card
from providers.jurisdiction import jurisdiction_of
from providers.normalise import accelerator_key, instance_type, price_micro_usd, quarantined
from scheduler.domain.accelerator import ACCELERATORS


@pytest.mark.parametrize("text", ["NaN", "inf", "-1", 0, "0.0000000000", "", None, "free", True, "12000", [], "1,5"])
def test_a_price_that_is_not_one_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="price"):
        price_micro_usd(text)


@given(st.integers(1, 100_000_000))
def test_a_price_survives_its_text(micro: int) -> None:
    assert price_micro_usd(f"{micro // 10**6}.{micro % 10**6:06d}") == micro


@pytest.mark.parametrize(
    ("name", "memory", "form", "key"),
    [
        ("NVIDIA A100", 40, "SXM", "A100-40GB-SXM"),
        ("A100-80G-PCIe", None, "", "A100-80GB-PCIe"),
        ("A100_SXM4_80GB", None, "", "A100-80GB-SXM"),
        ("Tesla T4", None, "", "T4-16GB-PCIe"),
        ("H100", 79, "SXM", "H100-80GB-SXM"),
        ("H100 NVL", 94, "", "H100-94GB-NVL"),
        ("RTX-A6000", None, "", "RTXA6000-48GB-PCIe"),
        ("RTX PRO Server 6000", 96, "", "RTXPRO6000-96GB-PCIe"),
        ("Radeon Pro V520", 8, "", "Radeon-V520-8GB-PCIe"),
    ],
)
def test_names_of_vendors_become_catalogue_keys(name: str, memory: int | None, form: str, key: str) -> None:
    assert accelerator_key(name, memory_gib=memory, form=form) == key


@pytest.mark.parametrize("name", ["A100", "H100", "V100", "A100-80GB", "Voodoo2"])
def test_what_memory_or_form_would_decide_is_not_guessed(name: str) -> None:
    with pytest.raises(ValueError, match="accelerator"):
        accelerator_key(name)


@pytest.mark.parametrize("key", sorted(ACCELERATORS))
def test_no_key_of_the_catalogue_is_mistaken_for_another(key: str) -> None:
    card = ACCELERATORS[key]
    try:
        found = accelerator_key(key, memory_gib=card.memory_gib)
    except ValueError:
        return
    assert found == key


@pytest.mark.parametrize("count", ["0.333", "0", "-1", "nan", "1.5"])
def test_parts_of_a_gpu_cannot_be_scheduled(count: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any reason will do, each is shown
        instance_type("azure", "x", accelerator="T4-16GB-PCIe", count=count, vcpus=1, memory_gib=1)


@pytest.mark.parametrize(
    ("provider", "region", "country"),
    [
        ("aws", "us-east-1", "US"),
        ("aws", "eu-west-1", "IE"),
        ("aws", "eu-central-2", "CH"),
        ("aws", "eusc-de-east-1", ""),
        ("gcp", "europe-west1", "BE"),
        ("gcp", "europe-west10", "DE"),
        ("gcp", "europe-west4", "NL"),
        ("gcp", "northamerica-northeast2", "CA"),
        ("azure", "westeurope", "NL"),
        ("azure", "uksouth", "GB"),
        ("azure", "francecentral", "FR"),
        ("azure", "atlantis", ""),
        ("lambda", "europe-central-1", "DE"),
        ("verda", "FIN-01", "FI"),
        ("nimbus", "us-east-1", ""),
    ],
)
def test_a_region_has_the_law_of_its_country_or_none(provider: str, region: str, country: str) -> None:
    assert jurisdiction_of(provider, region) == country


@pytest.mark.parametrize(
    ("size", "card"),
    [
        ("Standard_NC24ads_A100_v4", "A100-80GB-PCIe"),
        ("Standard_ND96amsr_A100_v4", "A100-80GB-SXM"),
        ("Standard_ND96asr_v4", "A100-40GB-SXM"),
        ("Standard_NC80adis_H100_v5", "H100-94GB-NVL"),
        ("Standard_NC64as_T4_v3", "T4-16GB-PCIe"),
        ("Standard_NC24rs_v3", "V100-16GB-PCIe"),
        ("Standard_NV12s_v3", ""),
        ("Standard_NV6ads_A10_v5", ""),
        ("Standard_NV36ads_A10_v5", "A10-24GB-PCIe"),
    ],
)
def test_an_azure_size_names_its_card_or_none(size: str, card: str) -> None:
    assert azure_card(size) == card


def test_a_quarantined_row_is_cut() -> None:
    assert len(quarantined("s", "r", ValueError("why"), "x" * 5_000).raw) == 500

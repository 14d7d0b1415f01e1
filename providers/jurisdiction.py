"""Which country's law applies in a cloud's region. Country codes only; who belongs to the EU is decided elsewhere.

An unknown region has no jurisdiction (""), so that no residency rule is satisfied by a guess.
Sources: AWS "Regions and Availability Zones", Google Cloud "Regions and zones", Azure "Azure regions list", and the
region pages of Lambda, Nebius, Verda and Hyperstack.
"""

from __future__ import annotations

_AWS = {
    "us": "US", "ca": "CA", "sa-east-1": "BR", "mx-central-1": "MX", "eu-west-1": "IE", "eu-west-2": "GB", "eu-west-3": "FR",
    "eu-central-1": "DE", "eu-central-2": "CH", "eu-north-1": "SE", "eu-south-1": "IT", "eu-south-2": "ES",
    "ap-northeast-1": "JP", "ap-northeast-2": "KR", "ap-northeast-3": "JP", "ap-south-1": "IN", "ap-south-2": "IN",
    "ap-southeast-1": "SG", "ap-southeast-2": "AU", "ap-southeast-3": "ID", "ap-southeast-4": "AU", "ap-southeast-5": "MY",
    "ap-southeast-7": "TH", "ap-east-1": "HK", "ap-east-2": "TW", "me-south-1": "BH", "me-central-1": "AE", "il-central-1": "IL",
    "af-south-1": "ZA", "cn": "CN",
}  # fmt: skip
_GCP = {
    "us": "US", "northamerica-northeast": "CA", "northamerica-south1": "MX", "southamerica-east1": "BR", "southamerica-west1": "CL",
    "europe-west1": "BE", "europe-west2": "GB", "europe-west3": "DE", "europe-west4": "NL", "europe-west6": "CH", "europe-west8": "IT",
    "europe-west9": "FR", "europe-west10": "DE", "europe-west12": "IT", "europe-north1": "FI", "europe-north2": "SE",
    "europe-central2": "PL", "europe-southwest1": "ES", "asia-east1": "TW", "asia-east2": "HK", "asia-northeast1": "JP",
    "asia-northeast2": "JP", "asia-northeast3": "KR", "asia-south": "IN", "asia-southeast1": "SG", "asia-southeast2": "ID",
    "australia-southeast": "AU", "me-west1": "IL", "me-central1": "QA", "me-central2": "SA", "africa-south1": "ZA",
}  # fmt: skip
_AZURE = {
    "eastus": "US", "westus": "US", "centralus": "US", "northcentralus": "US", "southcentralus": "US", "westcentralus": "US",
    "canada": "CA", "brazil": "BR", "chile": "CL", "mexico": "MX", "northeurope": "IE", "westeurope": "NL", "uk": "GB", "france": "FR",
    "germany": "DE", "switzerland": "CH", "norway": "NO", "sweden": "SE", "italy": "IT", "spain": "ES", "poland": "PL", "austria": "AT",
    "belgium": "BE", "eastasia": "HK", "southeastasia": "SG", "japan": "JP", "korea": "KR", "australia": "AU", "centralindia": "IN",
    "southindia": "IN", "westindia": "IN", "jioindia": "IN", "indonesia": "ID", "malaysia": "MY", "newzealand": "NZ", "israel": "IL",
    "qatar": "QA", "uae": "AE", "southafrica": "ZA",
}  # fmt: skip
_LAMBDA = {
    "us": "US", "asia-northeast": "JP", "asia-south-1": "IN", "australia-east-1": "AU", "europe-central-1": "DE", "europe-south-1": "IT",
    "me-west-1": "IL",
}  # fmt: skip
_RUNPOD = {
    "US": "US", "CA": "CA", "EU-CZ": "CZ", "EU-FR": "FR", "EU-NL": "NL", "EU-RO": "RO", "EU-SE": "SE", "EUR-IS": "IS", "EUR-NO": "NO",
    "AP-JP": "JP", "OC-AU": "AU",
}  # fmt: skip
_DIGITALOCEAN = {
    "nyc": "US", "sfo": "US", "atl": "US", "tor": "CA", "ams": "NL", "fra": "DE", "lon": "GB", "blr": "IN", "sgp": "SG", "syd": "AU",
}  # fmt: skip
_OCI = {
    "us": "US", "ca": "CA", "mx": "MX", "uk": "GB", "il": "IL", "eu-amsterdam": "NL", "eu-frankfurt": "DE", "eu-madrid": "ES",
    "eu-marseille": "FR", "eu-paris": "FR", "eu-milan": "IT", "eu-turin": "IT", "eu-stockholm": "SE", "eu-zurich": "CH",
    "me-abudhabi": "AE", "me-dubai": "AE", "me-jeddah": "SA", "me-riyadh": "SA", "sa-bogota": "CO", "sa-santiago": "CL",
    "sa-valparaiso": "CL", "sa-saopaulo": "BR", "sa-vinhedo": "BR", "af-johannesburg": "ZA", "af-casablanca": "MA",
    "ap-tokyo": "JP", "ap-osaka": "JP", "ap-seoul": "KR", "ap-chuncheon": "KR", "ap-mumbai": "IN", "ap-hyderabad": "IN",
    "ap-singapore": "SG", "ap-sydney": "AU", "ap-melbourne": "AU", "ap-batam": "ID", "ap-kulai": "MY",
}  # fmt: skip
_LATITUDE = {
    "AMS": "NL", "ASH": "US", "BGT": "CO", "BUE": "AR", "CHI": "US", "DAL": "US", "FRA": "DE", "LAX": "US", "LON": "GB", "MEX": "MX",
    "MIA": "US", "NYC": "US", "SAN": "CL", "SAO": "BR", "SGP": "SG", "SJC": "US", "SYD": "AU", "TOR": "CA", "TYO": "JP",
}  # fmt: skip
_ALIBABA = {
    "cn": "CN", "cn-hongkong": "HK", "ap-northeast-1": "JP", "ap-northeast-2": "KR", "ap-southeast-1": "SG", "ap-southeast-3": "MY",
    "ap-southeast-5": "ID", "ap-southeast-6": "PH", "ap-southeast-7": "TH", "us": "US", "na-south-1": "MX", "eu-central-1": "DE",
    "eu-west-1": "GB", "me-east-1": "AE", "me-central-1": "SA",
}  # fmt: skip
_TENCENT = {
    "ap-bangkok": "TH", "ap-beijing": "CN", "ap-chengdu": "CN", "ap-chongqing": "CN", "ap-guangzhou": "CN", "ap-hongkong": "HK",
    "ap-jakarta": "ID", "ap-nanjing": "CN", "ap-seoul": "KR", "ap-shanghai": "CN", "ap-shenzhen": "CN", "ap-singapore": "SG",
    "ap-tokyo": "JP", "eu-frankfurt": "DE", "na-ashburn": "US", "na-siliconvalley": "US", "sa-saopaulo": "BR",
}  # fmt: skip
_IBM = {
    "au-syd": "AU", "br-sao": "BR", "ca": "CA", "eu-de": "DE", "eu-es": "ES", "eu-gb": "GB", "in": "IN", "jp": "JP", "us": "US",
}  # fmt: skip
_FULL_NAMES: dict[str, tuple[str, ...]] = {
    "lambda": (
        "us-east-1", "us-east-2", "us-east-3", "us-west-1", "us-west-2", "us-west-3", "us-south-1", "us-south-2", "us-south-3",
        "us-midwest-1", "europe-central-1", "asia-northeast-1", "asia-northeast-2", "asia-south-1", "me-west-1", "australia-east-1",
    ),
    "tencent": (
        "ap-bangkok", "ap-beijing", "ap-chengdu", "ap-chongqing", "ap-guangzhou", "ap-hongkong", "ap-jakarta", "ap-nanjing", "ap-seoul",
        "ap-shanghai", "ap-singapore", "ap-tokyo", "eu-frankfurt", "na-ashburn", "na-siliconvalley", "sa-saopaulo",
    ),
    "scaleway": (
        "fr-par-1", "fr-par-2", "fr-par-3", "nl-ams-1", "nl-ams-2", "nl-ams-3", "pl-waw-1", "pl-waw-2", "pl-waw-3",
    ),
}  # fmt: skip
_TABLES: dict[str, dict[str, str]] = {
    "aws": _AWS,
    "gcp": _GCP,
    "azure": _AZURE,
    "coreweave": {"US": "US", "CA": "CA", "RNO": "US"},
    "cudo": {code.lower(): code for code in ("AU", "CA", "DE", "FI", "FR", "GB", "IN", "KE", "NG", "NO", "SE", "US", "ZA")},
    "lambda": _LAMBDA,
    "latitude": _LATITUDE,
    "nebius": {"eu-north1": "FI", "eu-west1": "FR", "us-central1": "US"},
    "digitalocean": _DIGITALOCEAN,
    "runpod": _RUNPOD,
    "verda": {"FIN": "FI", "ICE": "IS"},
    "hyperstack": {"CANADA": "CA", "NORWAY": "NO", "US": "US"},
    "ibm": _IBM,
    "oci": _OCI,
    "scaleway": {"fr-par": "FR", "nl-ams": "NL", "pl-waw": "PL"},
    "crusoe": {"us": "US"},
    "alibaba": _ALIBABA,
    "tencent": _TENCENT,
}


def jurisdiction_of(provider: str, region: str) -> str:
    """ISO 3166 country code of a region by its longest known prefix; "" where unknown.

    Prefixes end at a dash, a digit or the end of the name, except on Azure, whose names run together.
    """
    table = _TABLES.get(provider, {})
    fits = [prefix for prefix in table if region.startswith(prefix) and (provider == "azure" or _ends_word(region, prefix))]
    return table[max(fits, key=len)] if fits else ""


def _ends_word(region: str, prefix: str) -> bool:
    rest = region[len(prefix) :]
    return not rest or rest[0] == "-" or (rest[0].isdigit() and not prefix[-1].isdigit())


def known_regions(provider: str) -> tuple[str, ...]:
    """Regions of a cloud that are listed here by their full names; none where only prefixes are known."""
    return _FULL_NAMES.get(provider, ())

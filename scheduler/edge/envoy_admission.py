"""Who may come in, and how often: keys, revocations and tenants' rates, checked in Envoy with nobody to ask."""

from __future__ import annotations

from typing import Any

from scheduler.domain.routing import EdgeConfig, EdgeKeys, EdgeLimit

ISSUER = "headrace"
JWT_FILTER = "envoy.filters.http.jwt_authn"
_PAYLOAD = "key"
TENANT_PATH = f"{JWT_FILTER}:{_PAYLOAD}:sub"
_TYPES = "type.googleapis.com/envoy.extensions.filters.http"
_UNLIMITED = 4_000_000_000


def admission(config: EdgeConfig) -> list[dict[str, Any]]:
    """The filters in front of all others; none where no key is asked for, since without keys there are no tenants."""
    if config.keys is None:
        return []
    filters = [_signed(config.keys)]
    if config.keys.revoked:
        filters.append(_not_revoked(config.keys.revoked))
    if config.limits:
        filters.append(_within_rate(config.limits))
    return filters


def _signed(keys: EdgeKeys) -> dict[str, Any]:
    """The key's signature and its end are checked. The engine never sees the key."""
    provider = {
        "issuer": ISSUER,
        "local_jwks": {"inline_string": keys.jwks},
        "from_headers": [{"name": "authorization", "value_prefix": "Bearer "}],
        "forward": False,
        "payload_in_metadata": _PAYLOAD,
        # A key comes with every request; its signature need not be computed each time.
        "jwt_cache_config": {"jwt_cache_size": 10_000},
    }
    rules = [{"match": {"path": "/healthz"}}, {"match": {"prefix": "/"}, "requires": {"provider_name": ISSUER}}]
    return {
        "name": JWT_FILTER,
        "typed_config": {"@type": f"{_TYPES}.jwt_authn.v3.JwtAuthentication", "providers": {ISSUER: provider}, "rules": rules},
    }


def _claim(name: str) -> list[dict[str, str]]:
    return [{"key": _PAYLOAD}, {"key": name}]


def _not_revoked(ids: tuple[str, ...]) -> dict[str, Any]:
    named = [{"metadata": {"filter": JWT_FILTER, "path": _claim("jti"), "value": {"string_match": {"exact": each}}}} for each in ids]
    policy = {"permissions": [{"any": True}], "principals": named}
    return {
        "name": "envoy.filters.http.rbac",
        "typed_config": {"@type": f"{_TYPES}.rbac.v3.RBAC", "rules": {"action": "DENY", "policies": {"revoked": policy}}},
    }


def _within_rate(limits: tuple[EdgeLimit, ...]) -> dict[str, Any]:
    """A bucket for each limited tenant, shared by all workers of this Envoy; others meet a bucket that never empties."""
    tenant = {"metadata": {"descriptor_key": "tenant", "metadata_key": {"key": JWT_FILTER, "path": _claim("sub")}}}
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    return {
        "name": "envoy.filters.http.local_ratelimit",
        "typed_config": {
            "@type": f"{_TYPES}.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "tenants",
            "filter_enabled": always,
            "filter_enforced": always,
            "token_bucket": _bucket(_UNLIMITED, _UNLIMITED),
            "rate_limits": [{"actions": [tenant]}],
            "descriptors": [
                {"entries": [{"key": "tenant", "value": each.tenant}], "token_bucket": _bucket(each.burst, each.requests_per_s)}
                for each in limits
            ],
        },
    }


def _bucket(most: int, per_s: int) -> dict[str, Any]:
    return {"max_tokens": most, "tokens_per_fill": per_s, "fill_interval": "1s"}

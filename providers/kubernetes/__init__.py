"""Any Kubernetes cluster: free whole GPU nodes at declared prices, launches of agent pods, and nodes of their own where it grows them."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, REGIONS, SIGN_IN, TIMEOUT, option, variable
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    REGIONS,
    variable(
        "KUBERNETES_TOKEN",
        "bearer token, where endpoint is set",
        SIGN_IN,
        named_by="api_key_env",
    ),
    option("kubeconfig", "kubeconfig to use; the pod's service account or the default file without it"),
    variable("KUBECONFIG", "the same, where the option does not say"),
    option("context", "context of the kubeconfig"),
    option("ca_file", "certificate authority of the endpoint"),
    option("prices", "`type=usd,type/spot=usd` per node and hour; a node without a price is quarantined"),
    option("price_list", "CSV file of prices"),
    option("image", "container image with headrace", LAUNCH),
    option("namespace", "namespace of the pods, `headrace` without it"),
    option("grow", "karpenter, coreweave or none: whether the cluster makes nodes for us"),
    option("node_class", "group/Kind/name; needed where grow is karpenter"),
    option("tolerations", "taint keys that pods tolerate, comma separated"),
    option("cpu", "CPU request of a pod"),
    option("memory", "memory request of a pod"),
    option("service_account", "service account of the pods"),
    option("host_network", "`true` for the node's own network"),
    option("region", "region where nodes name none, `cluster` without it"),
    option("jurisdiction", "country where nodes tell none"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One cluster, which is one account. See FACTS.md for credentials and options."""
    from providers.kubernetes.adapter import build

    return build(settings, environ, clock, pace)

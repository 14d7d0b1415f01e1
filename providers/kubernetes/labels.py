"""What node labels say: which accelerator, what kind of capacity, whose cloud. Pure; source of each key: FACTS.md."""

from __future__ import annotations

from collections.abc import Mapping

from providers.normalise import accelerator_key
from scheduler.domain.offer import CapacityType

Labels = Mapping[str, str]

INSTANCE_TYPE = "node.kubernetes.io/instance-type"
REGION = "topology.kubernetes.io/region"
ZONE = "topology.kubernetes.io/zone"
RESOURCES = ("nvidia.com/gpu", "amd.com/gpu", "google.com/tpu")

NVIDIA_PRODUCT = "nvidia.com/gpu.product"
NVIDIA_REPLICAS = "nvidia.com/gpu.replicas"
AMD_PRODUCTS = ("amd.com/gpu.product-name", "beta.amd.com/gpu.product-name")
GKE_GPU = "cloud.google.com/gke-accelerator"
GKE_TPU = "cloud.google.com/gke-tpu-accelerator"
KARPENTER_GPU = "karpenter.k8s.aws/instance-gpu-name"
KARPENTER_MEMORY_MIB = "karpenter.k8s.aws/instance-gpu-memory"
COREWEAVE_MODEL = "gpu.nvidia.com/model"
COREWEAVE_MEMORY_GB = "gpu.nvidia.com/vram"

_GKE_CARDS = {
    # GKE names the model and the memory; its machine families fix the form.
    "nvidia-tesla-p4": "P4-8GB-PCIe",
    "nvidia-tesla-p100": "P100-16GB-PCIe",
    "nvidia-tesla-v100": "V100-16GB-SXM",
    "nvidia-tesla-a100": "A100-40GB-SXM",
    "nvidia-a100-80gb": "A100-80GB-SXM",
    "nvidia-h100-80gb": "H100-80GB-SXM",
    "nvidia-h100-mega-80gb": "H100-80GB-SXM",
}
_SPOT = {
    "karpenter.sh/capacity-type": "spot",
    "eks.amazonaws.com/capacityType": "SPOT",
    "cloud.google.com/gke-spot": "true",
    "cloud.google.com/gke-preemptible": "true",
    "kubernetes.azure.com/scalesetpriority": "spot",
}
_CLOUDS = {"aws": "aws", "gce": "gcp", "azure": "azure"}


def card(labels: Labels, listed: str = "") -> str:
    """The catalogue key of a node's accelerator, from the most exact label there is.

    Args:
        listed: the key that the vendor's own price list gives this instance type; it fills in what labels leave open.

    Raises:
        ValueError: no label names it, the name is unknown or ambiguous, or one GPU is sold as several.
    """
    if int(labels.get(NVIDIA_REPLICAS) or 1) > 1 or labels.get(NVIDIA_PRODUCT, "").endswith("-SHARED"):
        raise ValueError("its GPUs are shared between pods: only whole ones can be scheduled")
    if labels.get(NVIDIA_PRODUCT):
        return _nvidia(labels[NVIDIA_PRODUCT])
    for product in AMD_PRODUCTS:
        if labels.get(product):
            return accelerator_key(labels[product])
    if labels.get(GKE_GPU):
        named = labels[GKE_GPU]
        return _GKE_CARDS.get(named) or accelerator_key(named)
    if labels.get(KARPENTER_GPU):
        # AWS sells A100, H100 and V100 as SXM modules only; where there is one card of a name, the form does not matter.
        memory = labels.get(KARPENTER_MEMORY_MIB, "")
        return accelerator_key(labels[KARPENTER_GPU], memory_gib=int(memory) // 1024 if memory else None, form="SXM")
    if labels.get(COREWEAVE_MODEL):
        named, (_, size, form) = labels[COREWEAVE_MODEL], f"{listed}--".split("-")[:3]
        memory = labels.get(COREWEAVE_MEMORY_GB) or size.removesuffix("GB")
        return accelerator_key(named, memory_gib=int(memory) if memory else None, form="SXM" if "NVLINK" in named else form)
    if labels.get(GKE_TPU):
        return accelerator_key(labels[GKE_TPU])
    if listed:
        return listed
    raise ValueError(f"no label names its accelerator: run NVIDIA's GPU feature discovery, or label the node {NVIDIA_PRODUCT}")


def _nvidia(product: str) -> str:
    """NVIDIA's own product name; ``HBM3`` without another form is the SXM module."""
    bare = product.removesuffix("-HBM3e").removesuffix("-HBM3")
    return accelerator_key(bare, form="SXM" if bare != product else "")


def capacity(labels: Labels) -> CapacityType:
    """How the node is paid for: spot where its cloud says so, on demand otherwise."""
    return CapacityType.SPOT if any(labels.get(key) == value for key, value in _SPOT.items()) else CapacityType.ON_DEMAND


def cloud(provider_id: str) -> str:
    """Headrace's name of the cloud a node runs on, from ``spec.providerID``; "" where it is none of the three that are known."""
    return _CLOUDS.get(provider_id.partition("://")[0], "")

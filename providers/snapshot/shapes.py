"""Instance shapes that the catalogue leaves out or leaves ambiguous, for the snapshot's builder only.

AWS rows carry no vCPU, memory or (partly) accelerator count: those are AWS's documented shapes
(https://docs.aws.amazon.com/ec2/latest/instancetypes/ac.html). Memory and form of the accelerators follow each vendor's
size page, because "A100" alone is two products.
"""

from __future__ import annotations

_SIZES = {"xlarge": 1, "2xlarge": 2, "4xlarge": 4, "8xlarge": 8, "12xlarge": 12, "16xlarge": 16, "24xlarge": 24, "48xlarge": 48}
_FAMILY_GIB_PER_VCPU = {"g4ad": 4, "g4dn": 4, "g5": 4, "g5g": 2, "g6": 4, "g6e": 8, "gr6": 8}
_FAMILY_GPUS = {
    "g4ad": {"8xlarge": 2, "16xlarge": 4},
    "g4dn": {"12xlarge": 4},
    "g5": {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "g5g": {"16xlarge": 2},
    "g6": {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "g6e": {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "gr6": {},
}
_AWS_SINGLE = {
    # instance type: (GPUs, vCPU, GiB)
    "g4dn.metal": (8, 96, 384),
    "g5g.metal": (2, 64, 128),
    "g7e.2xlarge": (1, 8, 64),
    "g7e.4xlarge": (1, 16, 128),
    "g7e.8xlarge": (1, 32, 256),
    "g7e.12xlarge": (2, 48, 512),
    "g7e.24xlarge": (4, 96, 1024),
    "g7e.48xlarge": (8, 192, 2048),
    "p3.2xlarge": (1, 8, 61),
    "p3.8xlarge": (4, 32, 244),
    "p3.16xlarge": (8, 64, 488),
    "p3dn.24xlarge": (8, 96, 768),
    "p4d.24xlarge": (8, 96, 1152),
    "p4de.24xlarge": (8, 96, 1152),
    "p5.4xlarge": (1, 16, 256),
    "p5.48xlarge": (8, 192, 2048),
    "p5en.48xlarge": (8, 192, 2048),
    "p6-b200.48xlarge": (8, 192, 2048),
    "p6-b300.48xlarge": (8, 192, 4096),
}


def aws_shape(name: str) -> tuple[int, int, int]:
    """GPUs, vCPU and GiB of an AWS instance type.

    Raises:
        ValueError: the shape is not in the table.
    """
    if name in _AWS_SINGLE:
        return _AWS_SINGLE[name]
    family, _, size = name.partition(".")
    if family not in _FAMILY_GIB_PER_VCPU or size not in _SIZES:
        raise ValueError(f"the shape of {name!r} is not known")
    vcpus = 4 * _SIZES[size]
    return _FAMILY_GPUS[family].get(size, 1), vcpus, vcpus * _FAMILY_GIB_PER_VCPU[family]


CARDS = {
    # (provider, accelerator as listed): card, where the list leaves memory or form open
    ("aws", "V100"): "V100-16GB-SXM",
    ("aws", "V100-32GB"): "V100-32GB-SXM",
    ("aws", "A100"): "A100-40GB-SXM",
    ("aws", "A100-80GB"): "A100-80GB-SXM",
    ("aws", "H100"): "H100-80GB-SXM",
    ("gcp", "A100"): "A100-40GB-SXM",
    ("gcp", "A100-80GB"): "A100-80GB-SXM",
    ("gcp", "H100"): "H100-80GB-SXM",
    ("gcp", "H100-MEGA"): "H100-80GB-SXM",
    ("nebius", "H100"): "H100-80GB-SXM",
    ("verda", "H100"): "H100-80GB-SXM",
    ("verda", "A100-80GB"): "A100-80GB-SXM",
    ("verda", "V100"): "V100-16GB-SXM",
    ("lambda", "V100"): "V100-16GB-SXM",
}


GCP_HOSTS = {
    # machine type: (accelerator as listed, how many); https://cloud.google.com/compute/docs/gpus
    "a2-highgpu-1g": ("A100", 1),
    "a2-highgpu-2g": ("A100", 2),
    "a2-highgpu-4g": ("A100", 4),
    "a2-highgpu-8g": ("A100", 8),
    "a2-megagpu-16g": ("A100", 16),
    "a2-ultragpu-1g": ("A100-80GB", 1),
    "a2-ultragpu-2g": ("A100-80GB", 2),
    "a2-ultragpu-4g": ("A100-80GB", 4),
    "a2-ultragpu-8g": ("A100-80GB", 8),
    "a3-highgpu-1g": ("H100", 1),
    "a3-highgpu-2g": ("H100", 2),
    "a3-highgpu-4g": ("H100", 4),
    "a3-highgpu-8g": ("H100", 8),
    "a3-megagpu-8g": ("H100-MEGA", 8),
    "a3-ultragpu-8g": ("H200", 8),
    "a4-highgpu-8g": ("B200", 8),
    "g2-standard-4": ("L4", 1),
    "g2-standard-8": ("L4", 1),
    "g2-standard-12": ("L4", 1),
    "g2-standard-16": ("L4", 1),
    "g2-standard-32": ("L4", 1),
    "g2-standard-24": ("L4", 2),
    "g2-standard-48": ("L4", 4),
    "g2-standard-96": ("L4", 8),
}

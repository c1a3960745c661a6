"""The names of networks; the only part of this room that reading a configuration needs.

Separate from registry.py, so that a new name re-makes nothing: plan.dependencies.code() leaves this file out.
"""

from rssr.base.errors import nearest

# Networks of this folder by name; imported when they are built.
NETWORKS = {
    "lstmconvsr": "rssr.models.lstmconvsr:LSTMConvSR",
    "mambairv2": "rssr.models.mambairv2:MambaIRv2",
    "hsenet": "rssr.models.hsenet:HSENet",
    "transenet": "rssr.models.transenet:TransENet",
    "ttst": "rssr.models.ttst:TTST",
}
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")


def check_arch(arch: str) -> None:
    """ValueError, with the nearest known name, unless `arch` can name a network."""
    known = [*INTERPOLATIONS, *NETWORKS]
    if arch not in known and ":" not in arch:
        raise ValueError(f"unknown model '{arch}'{nearest(arch, known)} (or package:Class)")

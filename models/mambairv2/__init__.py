"""MambaIRv2: attention in windows and a selective scan over tokens that are sorted by what they show."""

from rssr.models.mambairv2.network import MambaIRv2
from rssr.models.mambairv2.selective_scan import selective_scan

__all__ = ["MambaIRv2", "selective_scan"]

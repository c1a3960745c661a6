"""TTST: window attention, and in parallel attention between channels that keeps the top-k scores only."""

from rssr.models.ttst.network import TTST

__all__ = ["TTST"]

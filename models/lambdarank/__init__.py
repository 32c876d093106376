"""LightGBM lambdarank, the rival of the funnel, and its settings."""

from models.lambdarank.config import LambdaRankConfig
from models.lambdarank.lambdarank import LambdaRank

__all__ = ["LambdaRank", "LambdaRankConfig"]

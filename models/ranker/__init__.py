"""The LightGBM ranker, its settings, and why it put a listing where it did.

:class:`Ranker` stays importable from here: models registered in MLflow load it by this name.
"""

from models.ranker.config import RankerConfig
from models.ranker.ranker import Contributions, Ranker

__all__ = ["Contributions", "Ranker", "RankerConfig"]

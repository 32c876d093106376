"""A guest leaves the home: the lake, every file beside it, every database.

``guest`` is the whole of it in order; ``files`` and ``databases`` know the formats.
"""

from pipelines.privacy.forget_guest import Erasure, forget_guest

__all__ = ["Erasure", "forget_guest"]

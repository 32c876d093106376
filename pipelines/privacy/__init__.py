"""Erase a guest from a home: from the lake, every file beside it, and every database.

``forget_guest`` lists the steps in order; ``erase_files`` and ``erase_databases`` know the
formats.
"""

from pipelines.privacy.forget_guest import Erasure, forget_guest

__all__ = ["Erasure", "forget_guest"]

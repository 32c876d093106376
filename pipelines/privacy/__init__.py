"""Erase a guest from a home: from the lake, every file beside it, and every database.

``forget_guest`` lists the steps in order; ``home_files`` says what can be done with which file.
"""

from pipelines.privacy.erasure import Erasure
from pipelines.privacy.forget_guest import forget_guest

__all__ = ["Erasure", "forget_guest"]

"""A secret that comes as a file: ``STAYRANK_PSEUDONYM_KEY_FILE`` names the file of the key.

A file that is named must be there. Without this a wrong path, or a secret that its owner alone
may read, would pass for "no key", and every guest's id would be stored as it came.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["DELIBERATELY_NONE", "secret_from_file"]

# In the file of a secret that is deliberately not set: an empty file is a mistake.
DELIBERATELY_NONE = "none"


def secret_from_file(variable: str) -> str | None:
    """The secret in the file that ``VARIABLE_FILE`` names; ``None`` where it names none.

    Raises ``ValueError`` naming the variable where its file is missing, cannot be read, is empty,
    or says another thing than ``VARIABLE`` itself.
    """
    file = os.environ.get(f"{variable}_FILE")
    if not file:
        return None
    secret = _content(f"{variable}_FILE", Path(file))
    given = os.environ.get(variable, "")
    if given and given != secret:
        raise ValueError(
            f"{variable} and {variable}_FILE are both set, and differ; take one of them out"
        )
    return secret


def _content(variable: str, file: Path) -> str:
    try:
        content = file.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ValueError(
            f"{variable}: the file {file} cannot be read ({problem}). Mend the path or the "
            f"permissions, or take {variable} out of the environment"
        ) from error
    if content.strip() == DELIBERATELY_NONE:
        return ""
    if not content.strip():
        raise ValueError(
            f"{variable}: the file {file} is empty. Write a secret of at least 16 bytes into it "
            f"(openssl rand -hex 32), or the word {DELIBERATELY_NONE}"
        )
    return content

"""A guest in the report on a log: quoted as an example of a value, or in a warning."""

from __future__ import annotations

import json
from typing import Any

from data.erasure.guest import CONTRACT_COLUMN, Guest
from data.erasure.named_in_text import NamedInText

__all__ = ["reports_guest", "without_guest"]


def reports_guest(report: str | None, guest: Guest) -> bool:
    """Whether a file's report quotes the guest's id: as an example of a value, in a warning."""
    names = NamedInText(guest)
    return report is not None and without_guest(report, guest, names, "") != report


def without_guest(report: str, guest: Guest, names: NamedInText, withheld: str) -> str:
    """A file's report, as JSON, with ``withheld`` for each value or sentence that names the guest.

    The name of the file stays: it is the file's, whatever it says.
    """
    try:
        content = json.loads(report)
    except ValueError:
        return report
    if not isinstance(content, dict) or not _withhold(content, guest, names, withheld):
        return report
    return json.dumps(content, ensure_ascii=False)


def _withhold(content: dict[str, Any], guest: Guest, names: NamedInText, withheld: str) -> bool:
    """Whether anything in the report names the guest; it is replaced."""
    found = False
    for key, value in content.items():
        if key == "nulled" and isinstance(value, list):
            for entry in (entry for entry in value if isinstance(entry, dict)):
                is_guests = entry.get("column") == CONTRACT_COLUMN
                quoted = entry.get("value")
                if (is_guests and guest.is_id(quoted)) or names(str(quoted)):
                    entry["value"], found = withheld, True
        elif key == "warnings" and isinstance(value, list):
            named = [isinstance(text, str) and names(text) for text in value]
            content[key] = [
                withheld if is_named else text for text, is_named in zip(value, named, strict=True)
            ]
            found = found or any(named)
    return found

"""What an erasure that was cut off, or could not do all, leaves for the next call.

The lake tells which searches were the guest's, and once it has let go nothing does. So before
anything changes the searches and days are written down, and the record is removed when nothing
is left to do. It does not name the guest: a call with the same id finds it by a salted, slow
hash (scrypt, RFC 7914).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from pipelines.config.home import Home, write_json

__all__ = ["Unfinished"]

_BEGINNING = "unfinished-"


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """One erasure that is under way.

    Attributes:
        path: of the record.
        searches, days: as in ``data.erasure.find_guest.Traces``, of all calls so far.
        is_resumed: whether an earlier call began it.
    """

    path: Path
    searches: frozenset[str]
    days: frozenset[int]
    is_resumed: bool

    @classmethod
    def of(cls, home: Home, guest: str) -> Unfinished:
        """The record of this guest that an earlier call left, or a new one, not yet written."""
        for path in sorted((home.root / "erasures").glob(f"{_BEGINNING}*.json")):
            try:
                record = json.loads(path.read_text())
                if record["guest"] == _hash(guest, record["salt"]):
                    return cls(
                        path=path,
                        searches=frozenset(record["searches"]),
                        days=frozenset(record["days"]),
                        is_resumed=True,
                    )
            except (OSError, ValueError, KeyError, TypeError):
                continue  # half of it, or of another version: its guest is looked for anew
        path = home.root / "erasures" / f"{_BEGINNING}{secrets.token_hex(8)}.json"
        return cls(path=path, searches=frozenset(), days=frozenset(), is_resumed=False)

    def write(self, guest: str, searches: frozenset[str], days: frozenset[int]) -> Unfinished:
        """Write it down; returns the record with what is known now."""
        salt = secrets.token_hex(16)
        record = {
            "salt": salt,
            "guest": _hash(guest, salt),
            "searches": sorted(self.searches | searches),
            "days": sorted(self.days | days),
        }
        write_json(self.path, record)
        return Unfinished(
            path=self.path,
            searches=self.searches | searches,
            days=self.days | days,
            is_resumed=self.is_resumed,
        )

    def finish(self) -> None:
        """Remove the record: nothing is left to do."""
        self.path.unlink(missing_ok=True)


def _hash(guest: str, salt: str) -> str:
    # 16 MiB and some hundredths of a second a try
    return hashlib.scrypt(guest.encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1).hex()

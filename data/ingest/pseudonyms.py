"""Pseudonyms: a keyed hash in place of each guest's id, as soon as a chunk is read.

The id is replaced in the rows of the log before they are validated or stored, so that
neither a table nor the quarantine ever holds it. Without the key nobody can tell which
guest a pseudonym is, not even by trying every id (BLAKE2b in its keyed mode, RFC 7693).
The same key gives the same pseudonym, so that a guest's searches stay one history.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import polars as pl

from data.errors import HomeError, MappingError
from data.readers.chunk import Chunk, as_json
from data.readers.ids import read_ids
from data.readers.values import null_spelled
from data.sources.apply_mapping import PLACE
from data.sources.column_rules import Rule
from data.validation.validate_chunk import ValidatedChunk

__all__ = ["check_key", "pseudonym", "pseudonymised", "refusal_without_cells", "without_examples"]

PREFIX = "u_"
DIGEST_BYTES = 16
SHORTEST_KEY = 16
RECORD = "pseudonyms.json"
# In place of an id that lost digits: the row rules know it as one, and it tells no digit.
INEXACT = "0.0E+0"
# In place of a value that a report would quote.
NO_EXAMPLE = "withheld"
WITHHELD = as_json({"withheld": "no row could be made of this line, and it may name a guest"})


def pseudonym(key: str, guest: str) -> str:
    """The guest's pseudonym under this key: ``u_`` and 32 hexadecimal digits."""
    digest = hashlib.blake2b(guest.encode(), key=_key_bytes(key), digest_size=DIGEST_BYTES)
    return PREFIX + digest.hexdigest()


def pseudonymised(chunk: Chunk, rules: dict[str, Rule], key: str) -> Chunk:
    """The chunk with pseudonyms for guests, without the columns that no rule reads.

    Lines that could not be divided into columns keep their number and reason, not their
    text. Raises ``MappingError`` where ``id_user`` is not simply a column of the log.
    """
    used = {name for rule in rules.values() for name in rule.needs}
    rows = chunk.rows.select(name for name in chunk.rows.columns if name in {*used, PLACE})
    rule = rules.get("id_user")
    if rule is not None and rule.constant is None:
        if rule.column is None:
            raise MappingError("id_user: only a plain column can be pseudonymised, not a rule")
        rows = rows.with_columns(_pseudonyms_of(rows[rule.column], rule, key))
    broken = chunk.broken.with_columns(row=pl.lit(WITHHELD))
    return replace(chunk, rows=rows, broken=broken)


def without_examples(validated: ValidatedChunk) -> ValidatedChunk:
    """The chunk's results without the values that its report would quote.

    In a row whose cells are shifted by one place the guest's id stands in a column of numbers,
    and would be quoted as a value that is no number.
    """
    examples = {
        key: replace(example, value=NO_EXAMPLE) for key, example in validated.examples.items()
    }
    return replace(validated, examples=examples)


def refusal_without_cells(reason: str, file: str, known: Collection[str]) -> str:
    """Why a file was refused, without what may be a cell of it: only ``known`` names stay.

    A log without a header is refused by the names of its columns, which are then its first
    guest's row.

    >>> reason = "log.csv: column id_user is absent. The file has: S1, 381, Rio. Rename it"
    >>> refusal_without_cells(reason, "log.csv", {"id_user"})
    'log.csv: column id_user is absent. The file has: … Rename it'
    >>> refusal_without_cells("log.csv: ValueError: no number: 'U12'", "log.csv", ())
    "log.csv: ValueError: no number: '…'"
    """
    names = "|".join(re.escape(name) for name in sorted({file, *known}, key=len, reverse=True))
    reason = re.sub(r"(The file has: ).*?(?=\. Rename|$)", r"\1…", reason, flags=re.DOTALL)
    reason = reason.replace("…. ", "… ")
    reason = re.sub(r"(a column twice: |one name: ).*?(?=;|$)", r"\1…", reason, flags=re.DOTALL)
    reason = re.sub(r"(and holds ).*?(?=, more digits)", r"\1…", reason, flags=re.DOTALL)
    # a quotation mark inside the quoted text has a backslash before it
    quoted = rf"""(['"`])(?!(?:{names})\1)(?:\\.|(?!\1).)*\1"""
    return re.sub(quoted, r"\1…\1", reason, flags=re.DOTALL)


def check_key(home: Path, key: str, *, has_rows: bool) -> None:
    """Check ``key`` against the home's, and record it in a new home; empty for no key.

    Raises ``HomeError`` for another key than the home's, for none where it has one, and
    for a key where it holds guests' ids as they came (``has_rows``): a guest must not go
    by two names.
    """
    path = home / RECORD
    if not path.exists():
        if key and has_rows:
            raise HomeError(
                f"{home}: holds guests' ids as they came; a pseudonym key needs a home of its "
                "own. Name a new one with --home and ingest the logs again"
            )
        if key:
            _record(path, _fingerprint(key))
        return
    recorded = json.loads(path.read_text()).get("key")
    if not key:
        raise HomeError(
            f"{home}: its guests are pseudonymised, and no key is set. Set STAYRANK_PSEUDONYM_KEY"
        )
    if recorded != _fingerprint(key):
        raise HomeError(f"{home}: its guests are pseudonymised with another key than the one set")


def _pseudonyms_of(raw: pl.Series, rule: Rule, key: str) -> pl.Series:
    # trimmed and null-spelled as the row rules would: " G1 " and "G1" are one guest
    text, is_inexact = read_ids(null_spelled(raw, rule.null_if))
    masked = dict.fromkeys(text.filter(is_inexact).unique(), INEXACT)
    guests = text.filter(~is_inexact).drop_nulls().unique()
    pseudonyms = masked | {guest: pseudonym(key, guest) for guest in guests}
    if not pseudonyms:
        return text.alias(raw.name)
    return text.replace_strict(pseudonyms, default=None, return_dtype=pl.String).alias(raw.name)


def _key_bytes(key: str) -> bytes:
    """The key as BLAKE2b takes it: at most 64 bytes, a longer one through its hash."""
    raw = key.encode()
    if len(raw) < SHORTEST_KEY:
        raise HomeError(
            f"the pseudonym key is shorter than {SHORTEST_KEY} bytes; make a longer one"
        )
    return raw if len(raw) <= hashlib.blake2b.MAX_KEY_SIZE else hashlib.sha512(raw).digest()


def _fingerprint(key: str) -> str:
    """A hash that tells two keys apart without revealing either."""
    return hashlib.blake2b(b"stayrank pseudonym key", key=_key_bytes(key)).hexdigest()[:16]


def _record(path: Path, fingerprint: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps({"key": fingerprint}) + "\n")
    draft.replace(path)

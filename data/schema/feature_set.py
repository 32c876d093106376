"""FeatureSet: which columns of the features table are features, and what they mean.

``features`` computes the columns and ``models`` read them; neither imports the other, and
both know the columns by this description. Nothing here computes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

__all__ = ["Feature", "FeatureSet"]

FeatureKind = Literal["number", "boolean", "category"]


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One feature column.

    Attributes:
        name: column name, with unit and window in it (``lead_time_days``).
        kind: ``number`` (float64 or integer), ``boolean``, or ``category`` (string).
        unit: ``days``, ``km``, ``price per night``, ``share``, … or empty.
        meaning: one plain sentence.
        null: what null means; ``"never null"`` where it cannot be.
        needs: columns of ``impressions`` without which the feature is left out.
        group: the feature group, named as its file.
        is_history: computed from earlier events of the listing or the guest.
    """

    name: str
    kind: FeatureKind
    meaning: str
    null: str
    unit: str = ""
    needs: tuple[str, ...] = ()
    group: str = ""
    is_history: bool = False


@dataclass(frozen=True)
class FeatureSet:
    """An ordered set of features with unique names. Raises ``ValueError`` on a repeat."""

    features: tuple[Feature, ...]

    def __post_init__(self) -> None:
        names = self.names
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"feature named twice: {', '.join(repeated)}")

    def __iter__(self) -> Iterator[Feature]:
        return iter(self.features)

    def __len__(self) -> int:
        return len(self.features)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    @property
    def categories(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features if feature.kind == "category")

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(feature.group for feature in self.features))

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits that change when a name, kind or group changes."""
        text = json.dumps([(f.name, f.kind, f.group) for f in self.features])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def available(self, columns: Collection[str]) -> FeatureSet:
        """The features that can be built from a log with these columns."""
        return FeatureSet(tuple(f for f in self.features if set(f.needs) <= set(columns)))

    def without(self, groups: Iterable[str]) -> FeatureSet:
        """The features outside these groups, for ablations."""
        left_out = set(groups)
        return FeatureSet(tuple(f for f in self.features if f.group not in left_out))

    def only(self, names: Collection[str]) -> FeatureSet:
        """The features of these names, in this set's order."""
        return FeatureSet(tuple(f for f in self.features if f.name in names))

    def save(self, path: Path) -> None:
        """Write the set as JSON."""
        path.write_text(json.dumps([asdict(f) for f in self.features], indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> FeatureSet:
        """Read what :meth:`save` wrote."""
        entries = json.loads(path.read_text())
        return cls(tuple(Feature(**{**e, "needs": tuple(e["needs"])}) for e in entries))

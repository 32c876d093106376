"""The decision, made of figures alone: promote or not, and the reason in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Check", "GateDecision", "decide"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that the gate looked at.

    Attributes:
        name: what was looked at, such as ``market=sao_paulo``.
        is_passed: ``None`` where it could not be measured; that blocks nothing.
        told: the figures, in words.
        difference, low, high: challenger minus the other and its interval, where paired.
    """

    name: str
    is_passed: bool | None
    told: str
    difference: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class GateDecision:
    """Whether a challenger becomes champion, and why.

    Attributes:
        is_promoted: the answer.
        against: what it was compared with, such as ``champion version 3`` or ``popularity``.
        reason: the answer's reason, one sentence.
        primary: the primary metric.
        guardrails: everything else that was looked at.
        notes: what else a reader should know, such as a champion whose files are damaged.
    """

    is_promoted: bool
    against: str
    reason: str
    primary: Check
    guardrails: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> GateDecision:
        """What :meth:`to_dict` gave; raises ``TypeError`` or ``KeyError`` on anything else."""
        checks = tuple(Check(**check) for check in content["guardrails"])
        whole = {"primary": Check(**content["primary"]), "guardrails": checks}
        return cls(**{**content, **whole, "notes": tuple(content["notes"])})

    def lines(self) -> list[str]:
        """The decision for a terminal: the reason, then every figure looked at."""
        marks = {True: "holds", False: "FAILS", None: "not measured"}
        width = max(len(check.name) for check in (self.primary, *self.guardrails))
        body = [
            f"  {check.name:<{width}}  {marks[check.is_passed]:<12}  {check.told}"
            for check in (self.primary, *self.guardrails)
        ]
        return [self.reason, *body, *(f"  note: {note}" for note in self.notes)]


def decide(
    primary: Check, guardrails: Sequence[Check], *, against: str, notes: Sequence[str] = ()
) -> GateDecision:
    """Promote when the primary check passes and no guardrail fails."""
    failed = [check for check in guardrails if check.is_passed is False]
    measured = sum(check.is_passed is not None for check in guardrails)
    if not primary.is_passed:
        reason = f"not promoted: {primary.told}"
    elif failed:
        harms = "; ".join(f"{check.name}: {check.told}" for check in failed)
        reason = f"not promoted: {primary.told}, but it fails {len(failed)} guardrail(s): {harms}"
    else:
        held = f", and {measured} guardrails hold" if measured else ""
        reason = f"promoted: {primary.told}{held}"
    return GateDecision(
        is_promoted=bool(primary.is_passed) and not failed,
        against=against,
        reason=reason,
        primary=primary,
        guardrails=tuple(guardrails),
        notes=tuple(notes),
    )

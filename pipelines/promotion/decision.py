"""The decision, made of figures alone: promote or not, and the reason in a sentence.

The sentence begins with one of three words and ends with what recommends from now on:

- ``promoted: …``, and how many guardrails were measured;
- ``not promoted: …; champion version 3 stays``, where the challenger is not shown to be better,
  or a guardrail shows harm;
- ``too little to decide: …; champion version 3 stays``, where no figure has enough behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from data.counted import counted

__all__ = ["Check", "GateDecision", "decide"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that the gate looked at.

    Attributes:
        name: what was looked at, such as ``market=sao_paulo``.
        is_passed: ``None`` where it could not be measured; that blocks nothing.
        finding: the figures, in words.
        difference, low, high: challenger minus the other and its interval, where paired.
    """

    name: str
    is_passed: bool | None
    finding: str
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
        has_evidence: false where there was too little to decide by.
    """

    is_promoted: bool
    against: str
    reason: str
    primary: Check
    guardrails: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()
    has_evidence: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; a check's finding has the key ``told`` there."""
        content = asdict(self)
        for check in (content["primary"], *content["guardrails"]):
            check["told"] = check.pop("finding")
        return content

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> GateDecision:
        """What :meth:`to_dict` gave; raises ``TypeError`` or ``KeyError`` on anything else."""
        checks = {
            "primary": _check_of(content["primary"]),
            "guardrails": tuple(_check_of(check) for check in content["guardrails"]),
        }
        return cls(**{**content, **checks, "notes": tuple(content["notes"])})

    def lines(self) -> list[str]:
        """The decision for a terminal: the reason, then every figure looked at."""
        marks = {True: "holds", False: "FAILS", None: "not measured"}
        width = max(len(check.name) for check in (self.primary, *self.guardrails))
        body = [
            f"  {check.name:<{width}}  {marks[check.is_passed]:<12}  {check.finding}"
            for check in (self.primary, *self.guardrails)
        ]
        return [self.reason, *body, *(f"  note: {note}" for note in self.notes)]


def _check_of(content: dict[str, Any]) -> Check:
    values = dict(content)
    return Check(finding=values.pop("told"), **values)


def decide(
    primary: Check,
    guardrails: Sequence[Check],
    *,
    against: str,
    otherwise: str,
    notes: Sequence[str] = (),
) -> GateDecision:
    """Promote when the primary check passes and no guardrail fails.

    ``otherwise`` says what recommends where the challenger is not promoted.
    """
    failed = [check for check in guardrails if check.is_passed is False]
    has_evidence = primary.is_passed is not None
    is_promoted = bool(primary.is_passed) and not failed
    if is_promoted:
        reason = f"promoted: {primary.finding}; {_held(guardrails)}"
    elif not has_evidence:
        reason = f"too little to decide: {primary.finding}; {otherwise}"
    elif not primary.is_passed:
        reason = f"not promoted: {primary.finding}; {otherwise}"
    else:
        reason = f"not promoted: {primary.finding}, but {_harmed(failed)}; {otherwise}"
    return GateDecision(
        is_promoted=is_promoted,
        against=against,
        reason=reason,
        primary=primary,
        guardrails=tuple(guardrails),
        notes=tuple(notes),
        has_evidence=has_evidence,
    )


def _held(guardrails: Sequence[Check]) -> str:
    measured = sum(check.is_passed is not None for check in guardrails)
    if not measured:
        return "no guardrail could be measured"
    return f"{counted(measured, 'guardrail')} measured, no harm shown"


def _harmed(failed: Sequence[Check]) -> str:
    harms = "; ".join(f"{check.name}: {check.finding}" for check in failed)
    verb = "shows" if len(failed) == 1 else "show"
    return f"{counted(len(failed), 'guardrail')} {verb} harm ({harms})"

"""The five sentences, computed once from a home, and who recommends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from data.plain_text import as_markdown_text
from models.evaluation.scorecard import Scorecard
from pipelines.evaluation.scorecard_view import read_scorecard
from pipelines.promotion.promote import read_decision
from pipelines.run_context import RunContext
from pipelines.training.run_record import read_record
from pipelines.verdict.changes import Changes, changes_since
from pipelines.verdict.cost import what_it_costs
from pipelines.verdict.how_good import how_much_better, where_better
from pipelines.verdict.sentence import Mood, Sentence
from pipelines.verdict.who_recommends import WhoRecommends, version_of, who_recommends
from pipelines.verdict.worries import Worry, biggest_worry, worries_of

__all__ = ["SIMULATED", "Verdict", "verdict_of"]

SIMULATED = "SIMULATED DATA: every figure comes from a simulated world, not from real guests."


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What somebody who decides should know, in this order.

    Attributes:
        who: who recommends.
        better, where, cost, changed, worry: the five sentences.
        changes: what changed in full.
        worries: every worry, the gravest first.
        is_simulated: the figures are of a simulated world.
    """

    who: WhoRecommends
    better: Sentence
    where: Sentence
    cost: Sentence
    changed: Sentence
    worry: Sentence
    changes: Changes
    worries: tuple[Worry, ...]
    is_simulated: bool

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """The five, in order."""
        return (self.better, self.where, self.cost, self.changed, self.worry)

    @property
    def headline(self) -> str:
        """One line: who recommends, and how much better the order is."""
        return _as_sentence(f"{self.who.text}. {_capital(self.better.text)}")

    @property
    def mood(self) -> Mood:
        """Of the gain: good only where it is shown overall and no market tells otherwise."""
        if "bad" in (self.better.mood, self.where.mood):
            return "bad"
        is_good = self.better.mood == "good" and self.where.mood == "good"
        return "good" if is_good else ""

    def lines(self) -> list[str]:
        """Who recommends and the five sentences as plain text, numbered."""
        numbered = [
            f"{number}. {sentence.topic}: {_as_sentence(sentence.text, capital=False)}"
            for number, sentence in enumerate(self.sentences, start=1)
        ]
        return [_as_sentence(self.who.text), *numbered]

    def markdown(self) -> str:
        """The same as Markdown; names of the log are text in it, whatever they hold."""
        simulated = [f"**{SIMULATED}**", ""] if self.is_simulated else []
        numbered = [
            f"{number}. **{sentence.topic}.** {as_markdown_text(_as_sentence(sentence.text))}"
            for number, sentence in enumerate(self.sentences, start=1)
        ]
        who = as_markdown_text(_as_sentence(self.who.text))
        return "\n".join([*simulated, f"**{who}**", "", *numbered]) + "\n"


def verdict_of(
    context: RunContext, run: str, scorecard: Scorecard | None = None, *, day: date | None = None
) -> Verdict:
    """The verdict of a run: its figures, beside who recommends now and what was there before.

    ``scorecard``: of the run; default: its own, as :func:`read_scorecard` finds it. Tables that
    are not there yet, such as ``recommendations`` right after an evaluation, are left out.
    ``day``: whose recommendations are looked at; default: the newest in the table.
    """
    record = read_record(context.home, run)
    card = scorecard or read_scorecard(context.home, run)
    who = who_recommends(context, day)
    better = how_much_better(card, _measured(context, run, who))
    where, cost = where_better(card), what_it_costs(card)
    changes = changes_since(context, record, card, day)
    decision = read_decision(context.home, run)
    worries = worries_of(context, card, who, decision, (better, cost))
    return Verdict(
        who=who,
        better=better,
        where=where,
        cost=cost,
        changed=changes.sentence,
        worry=biggest_worry(worries),
        changes=changes,
        worries=worries,
        is_simulated=card.honesty.provenance.is_simulated,
    )


def _measured(context: RunContext, run: str, who: WhoRecommends) -> str:
    """Whom the figures are of: who recommends, or a run that does not."""
    if who.run == run:
        return who.name
    name = version_of(context, run)
    return name if who.run is None else f"{name}, which does not recommend"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _as_sentence(text: str, *, capital: bool = True) -> str:
    return f"{_capital(text) if capital else text}."

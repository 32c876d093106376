"""How a flow run ends on Prefect's page.

An error that a person can mend is a sentence in the place of a traceback: the state's message
is the error's own. A day that holds is a state of its own, ``Held``. Prefect's page colours by
the type of a state: of type ``Cancelled`` it is neither green like a day that was published nor
red like one that failed, it is final, and so the next run starts.

Import it only after ``prepare_prefect``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from prefect import Flow, State, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelled, Failed

from data.errors import DataError
from pipelines.batch.journal import held_reason
from pipelines.config.days import read_day
from pipelines.config.redaction import redact
from pipelines.config.settings import SettingsError

__all__ = ["HELD", "batch_id", "day_of", "ended_in_words", "show_hold"]

R = TypeVar("R")
HELD = "Held"


def ended_in_words(work: Callable[[], R]) -> R | State[R]:
    """What ``work`` returns; of an error that a person can mend a failed state with its words.

    Whoever calls the flow without asking for its state gets the error itself raised.
    """
    try:
        return work()
    except (DataError, SettingsError) as error:
        return Failed(message=redact(str(error)), data=error)


def day_of(value: date | str, parameter: str) -> date:
    """A day that was typed on Prefect's page; raises ``SettingsError`` for what is none.

    Flows look at their days themselves: what Prefect says of a wrong one is for programmers.
    """
    if isinstance(value, date):
        return value
    try:
        return read_day(str(value))
    except ValueError as error:
        raise SettingsError(f"{parameter}: {error}") from None


def batch_id(flow_run_id: object) -> str:
    """The id of the batch that a flow run starts; in its journal and log."""
    return str(flow_run_id)[-12:]


def show_hold(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Hook of a completed run: make its state ``Held`` where its batch holds.

    Afterwards, not as what the flow returns: Prefect takes a returned state of this type for
    an error, and the process that a schedule started would end with a traceback.
    """
    del flow
    reason = held_reason(Path(str(state.result(raise_on_failure=False))), batch_id(flow_run.id))
    if reason is None:
        return
    with get_client(sync_client=True) as client:
        held: State[Any] = Cancelled(name=HELD, message=f"nothing new is published: {reason}")
        client.set_flow_run_state(flow_run.id, held)

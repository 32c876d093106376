"""A table of runs as MLflow's page keeps it: its columns, their order, what is shown and sorted.

MLflow keeps such a view as a tag of the experiment, and a link opens it::

    mlflow.sharedViewState.models   {"name": "Models of the last training",
                                     "createdAt": 1769400000000,
                                     "state": "{\\"selectedColumns\\": [\\"tags.`standing`\\", …"}
    #/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=models

``state`` is JSON in a text, and MLflow's own page writes it packed: ``deflate;`` and the base64 of
the zlib stream. Both open; the plain one can be read where it is kept, and needs a fifth of the
room that there is. A view holds no path and no address: it goes wherever its home or server goes.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "MODELS_VIEW",
    "SIMULATED_TAG",
    "STANDING",
    "Column",
    "SavedView",
    "mlflow_name",
    "view_tag",
]

# The view that the printed link opens.
MODELS_VIEW = "models"
# The tag of a run that says what became of its ranker: the champion, refused, …
STANDING = "standing"
# The tag of a run whose figures are those of simulated guests.
SIMULATED_TAG = "stayrank.is_simulated"

# What a tag could hold in servers of before; today's take four times as much.
MOST_CHARACTERS = 5_000
RUN_NAME, CREATED = "attributes.`Run Name`", "runDateAndNestInfo"
RUN_NAME_WIDTH, CREATED_WIDTH = 150, 130


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the table.

    Attributes:
        kind: whether MLflow keeps it as a metric or as a tag of the run; tags cannot be sorted.
        name: of the metric or tag, which is its heading too.
        width: in pixels.
    """

    kind: Literal["metrics", "tags"]
    name: str
    width: int

    @property
    def id(self) -> str:
        return f"{self.kind}.`{self.name}`"


@dataclass(frozen=True, kw_only=True)
class SavedView:
    """A table of runs.

    Attributes:
        key: what a link calls it.
        name: what the page calls it.
        columns: beside the run's name and when it was made, in order.
        sorted_by: a metric or tag as in :attr:`Column.id`, the highest first. Sorted by time,
            MLflow would fold the models under their trainings.
        where: which runs, as MLflow searches them.
    """

    key: str
    name: str
    columns: Sequence[Column]
    sorted_by: str
    where: str

    def tag(self) -> tuple[str, str]:
        """Key and value of the experiment's tag; raises ``ValueError`` where it is too long."""
        state = json.dumps(self._state(), ensure_ascii=False)
        content = {"name": self.name, "createdAt": int(time.time() * 1_000), "state": state}
        value = json.dumps(content, ensure_ascii=False)
        if len(value) > MOST_CHARACTERS:
            raise ValueError(
                f"view {self.key}: {len(value):,} characters, at most {MOST_CHARACTERS:,}"
            )
        return view_tag(self.key), value

    def _state(self) -> dict[str, object]:
        ids = [column.id for column in self.columns]
        widths = {column.id: column.width for column in self.columns}
        return {
            "selectedColumns": ids,
            "columnOrder": [RUN_NAME, CREATED, *ids],
            "columnWidths": {RUN_NAME: RUN_NAME_WIDTH, CREATED: CREATED_WIDTH} | widths,
            "orderByKey": self.sorted_by,
            "orderByAsc": False,
            "searchFilter": self.where,
            "startTime": "ALL",
            "lifecycleFilter": "Active",
            "datasetsFilter": [],
            "modelVersionFilter": "All Runs",
        }


def view_tag(key: str) -> str:
    """The experiment's tag that holds a view."""
    return f"mlflow.sharedViewState.{key}"


def mlflow_name(words: str) -> str:
    """Words as a name of a metric or tag: letters, digits, spaces and ``_-.:/``.

    >>> mlflow_name("NDCG@10"), mlflow_name("bookings per 1,000 searches")
    ('NDCG at 10', 'bookings per 1000 searches')
    """
    words = words.replace("@", " at ").replace("%", " percent")
    words = re.sub(r"(?<=\d),(?=\d)", "", words)
    return re.sub(r"[^\w\-.:/ ]", " ", words).strip()

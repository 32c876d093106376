"""Which recommendations guests are shown: one small file that points at them.

The table ``recommendations`` changes when a day's batch writes it. What is published changes
only when ``published.json`` does: in one step, after the new rows were checked and counted.
Whoever serves guests reads that file, then the rows of its day (``ds``) in its version of the
table.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from data.errors import DataError
from pipelines.config.home import Home, write_json

__all__ = ["Published", "read_published", "write_published"]

POINTER = "published.json"


@dataclass(frozen=True, kw_only=True)
class Published:
    """The recommendations in force.

    Attributes:
        ds: the day they were made for, ``YYYY-MM-DD``.
        version: of the table ``recommendations``.
        rows: how many there are.
        run: the training run whose models made them.
        ranker_version: registered version of the ranker.
        published_at: when, UTC, ISO.
        batch: id of the batch that published them.
    """

    ds: str
    version: int
    rows: int
    run: str
    ranker_version: str
    published_at: str
    batch: str


def read_published(home: Home) -> Published | None:
    """What is published; ``None`` before the first time.

    Raises ``DataError`` when the pointer is damaged.
    """
    path = home.root / POINTER
    try:
        published = Published(**json.loads(path.read_text()))
        home.run_folder(str(published.run))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, DataError) as error:
        raise DataError(f"{path}: cannot be read ({error}); run stayrank daily again") from error
    return published


def write_published(home: Home, published: Published) -> None:
    """Put these recommendations into force, in one step."""
    write_json(home.root / POINTER, asdict(published))

"""With a key no id stays under the home: not in refused files, not in logs, not in the journal."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from data.errors import DataError
from pipelines.batch.inbox import collect_arrivals
from pipelines.batch.journal import Batch, BatchStage
from pipelines.batch.run_batch import run_batch
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.run_context import RunContext
from tests.data.conftest import as_csv, sound_row

KEY = "a key of the tests, long enough"
GUEST = "U7654321"


@pytest.mark.parametrize(
    "content",
    [
        # without a header its first row is taken for one, and a refusal lists the columns
        as_csv([sound_row(1, id_user=GUEST)]).split("\n", 1)[1] * 2,
        as_csv([sound_row(1, id_user=GUEST)])
        .replace("id_user", "visitor", 1)
        .replace("label", "outcome", 1),
        as_csv([sound_row(1, id_user=GUEST, label="flown")]),
        f"{GUEST}\n",
        f"a,{GUEST},{GUEST}\n1,2,3\n",
        # its cells are shifted by one place: the id stands where a number should be
        as_csv([sound_row(1), sound_row(2, id_user="", query_num_guests=GUEST, listing_lat=GUEST)]),
    ],
    ids=["no header", "renamed", "all rejected", "one column", "named twice", "shifted"],
)
def test_no_id_of_a_refused_or_odd_file_stays(tmp_path: Path, content: str) -> None:
    root = tmp_path / "home"
    (root / "inbox").mkdir(parents=True)
    (root / "inbox" / "log.csv").write_text(content)
    settings = load_settings(pseudonym_key=KEY, batch={"settle_s": 0})
    context = RunContext(home=Home(root), settings=settings, console=Console())
    batch = Batch(context=context, kind="daily", day=date(2018, 2, 6), id="test")
    with suppress(DataError):
        run_batch(batch, [BatchStage(name="arrive", work=collect_arrivals)])
    files = [path for path in root.rglob("*") if path.is_file()]
    assert any(path.suffix == ".log" for path in files)
    for path in files:
        assert GUEST.encode() not in path.read_bytes(), path
        if path.suffix == ".parquet" and path.parent.name != "_delta_log":
            named = str(pl.read_parquet(path).drop("row", strict=False).to_dicts())
            assert GUEST not in named, path
    # the reason stays, and says what became of the file
    for reason in root.glob("inbox/refused/*.reason.txt"):
        assert "deliver it anew" in reason.read_text()
        assert not reason.with_name("log.csv").exists()

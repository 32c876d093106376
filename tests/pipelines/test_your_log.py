"""Each example of docs/your_log.md is a log, its mapping and its rows, and they agree."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from data.ingest import ingest
from data.lake.store import Lake
from data.sources.column_rules import WAYS, Condition, Rule
from data.sources.explode_rules import ExplodedColumn

PAGE = (Path(__file__).parents[2] / "docs" / "your_log.md").read_text()
BLOCK = re.compile(r"```(csv|json|toml)\n(.*?)```|((?:^\|[^\n]*\|\n)+)", re.DOTALL | re.MULTILINE)
IMPRESSIONS, QUARANTINE = "| id_search |", "| source_line |"


@dataclass(frozen=True, kw_only=True)
class Example:
    """A log in CSV or JSON lines, its mapping, and tables of what becomes of its rows."""

    log: str
    is_json: bool
    mapping: str
    impressions: str
    quarantine: str


def _examples() -> dict[str, Example]:
    found = {}
    for part in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]:
        blocks = [(match[1] or "table", match[2] or match[3]) for match in BLOCK.finditer(part)]
        logs = [(kind, text) for kind, text in blocks if kind in ("csv", "json")]
        if not logs:
            continue
        ((kind, log),) = logs
        tables = [text for name, text in blocks if name == "table"]
        found[part.split("\n", 1)[0]] = Example(
            log=log,
            is_json=kind == "json",
            mapping=next(text for name, text in blocks if name == "toml"),
            impressions=next(text for text in tables if text.startswith(IMPRESSIONS)),
            quarantine=next((t for t in tables if t.startswith(QUARANTINE)), ""),
        )
    return found


EXAMPLES = _examples()


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _as_cells(rows: pl.DataFrame) -> list[list[str]]:
    return [["" if value is None else str(value) for value in row] for row in rows.rows()]


def test_every_toml_and_log_of_the_page_is_in_an_example() -> None:
    fences = re.findall(r"^```(csv|json|toml)$", PAGE, re.MULTILINE)
    assert len(fences) == 2 * len(EXAMPLES) == 12


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_gives_the_rows_that_it_shows(name: str, tmp_path: Path) -> None:
    example = EXAMPLES[name]
    log = tmp_path / ("log.parquet" if example.is_json else "log.csv")
    if example.is_json:
        pl.read_ndjson(example.log.encode()).write_parquet(log)
    else:
        log.write_text(example.log)
    (tmp_path / "own.toml").write_text(example.mapping)
    report = ingest([log], tmp_path / "own.toml", home=tmp_path / "home")
    lake = Lake(tmp_path / "home")
    by_line = [n for n in ("source_line", "source_item") if n in lake.columns("impressions")]
    rows = lake.scan("impressions").sort(by_line).collect()
    header, _, *shown = example.impressions.strip().splitlines()
    assert _as_cells(rows.select(_cells(header))) == [_cells(line) for line in shown]
    assert report.rows_accepted == len(shown)
    quarantined = lake.scan("quarantine").collect().sort("source_line", "source_item")
    columns = ["source_line", "source_item", "reasons"]
    shown = example.quarantine.strip().splitlines()[2:]
    assert _as_cells(quarantined.select(columns)) == [_cells(line) for line in shown]


def test_every_rule_stands_on_the_page() -> None:
    page = PAGE[PAGE.index("## The rules of a mapping") :]
    names = {*WAYS, *Rule.model_fields, *Condition.model_fields, *ExplodedColumn.model_fields}
    missing = [name for name in names if not re.search(rf"\b{name}\b", page)]
    assert missing == []

"""The report and the MLflow page in headless Chromium."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.evaluation.scorecard import Score, Scorecard
from pipelines.config.home import Home
from pipelines.evaluation.model_table import as_shown
from pipelines.evaluation.scorecard_view import primary_metric, read_scorecard
from pipelines.promotion.champion_registry import promotion_lock, record_decision
from pipelines.promotion.promote import read_decision
from pipelines.run_context import RunContext
from pipelines.training.run_record import read_record
from tests.operations.servers import free_port
from tests.pipelines.browser import (
    A4_WIDTH,
    chromium,
    console_errors,
    cut_cells,
    cut_texts,
    on_paper,
    pages_printed,
    resized,
    unfolds,
    wider_than,
)

Finished = tuple[RunContext, str]

LARGEST = 2 * 1024 * 1024
PHONE = 390
DRAWN = """
return [...document.querySelectorAll('figure svg')].map((svg) => {
  const box = svg.getBoundingClientRect();
  const marks = svg.querySelectorAll('use, path').length;
  return [svg.id, box.width > 100 && box.height > 60 && marks > 3, box.width > 0];
}).filter(([, , isShown]) => isShown).map(([name, isDrawn]) => [name, isDrawn]);
"""
COLOURS = """
const body = getComputedStyle(document.body);
const text = getComputedStyle(document.querySelector('figure svg text'));
return [body.color, body.backgroundColor, text.fill];
"""
EXPECTED = {
    "models_value_dcg_at_10",
    "by_cutoff_ndcg",
    "g_bars",
    "funnel",
    "prices",
    "exposure_map",
    "drift",
    "rates_by_day",
    "trade_off",
    "recall",
    "importance",
    "ablation",
    "beeswarm",
}


BAD_PAGE = """<!doctype html><meta name="viewport" content="width=device-width">
<body style="margin: 0"><p style="width: 500px">wider than the page</p>
<div class="wide" style="overflow-x: auto; width: 300px"><table style="width: 600px"><tr>
<td>reached</td><td>by scrolling</td></tr></table></div>
<table style="table-layout: fixed; width: 100px"><tr>
<td style="white-space: nowrap; overflow: hidden">cut by its own width</td></tr></table>
<div style="overflow: hidden; width: 300px; overflow-x: scroll"><table style="width: 600px"><tr>
<td style="width: 300px">seen</td><td>out of sight</td></tr></table></div>
<details open><summary>open</summary></details>
<figure style="margin: 0"><svg id="one" viewBox="0 0 100 20" width="100">
<text x="90" y="10" font-size="10">outside</text><text x="0" y="10" font-size="2">tiny</text>
<text x="0" y="10" font-size="9">fits</text></svg></figure>"""


def page_of(finished: Finished) -> Path:
    return finished[0].home.report / "index.html"


def luminance(colour: str) -> float:
    """0 for black, 255 for white, of ``rgb(r, g, b)``."""
    numbers = colour[colour.index("(") + 1 : colour.index(")")].split(",")
    return sum(float(n) for n in numbers[:3]) / 3


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_report_draws_every_chart_without_an_error(
    finished: Finished, tmp_path: Path, theme: str
) -> None:
    page = page_of(finished)
    assert page.stat().st_size <= LARGEST
    with chromium(tmp_path, theme=theme) as browser:
        browser.get(page.as_uri())
        drawn: dict[str, bool] = dict(browser.execute_script(DRAWN))
        assert set(drawn) >= EXPECTED
        assert [name for name, is_drawn in drawn.items() if not is_drawn] == []
        ink, paper, text = map(luminance, browser.execute_script(COLOURS))
        assert (ink < paper) is (theme == "light")
        assert abs(text - paper) > 100
        fetched = "return performance.getEntriesByType('resource').map((e) => e.name)"
        assert [
            name for name in browser.execute_script(fetched) if not name.startswith("data:")
        ] == []
        assert console_errors(browser) == []


def test_report_fits_a_phone(finished: Finished, tmp_path: Path) -> None:
    with chromium(tmp_path) as browser:
        resized(browser, PHONE)
        browser.get(page_of(finished).as_uri())
        wide = "return [document.documentElement.scrollWidth, window.innerWidth]"
        needed, there = browser.execute_script(wide)
        assert needed <= there == PHONE
        assert wider_than(browser, PHONE) == []
        assert cut_cells(browser, PHONE) == []
        assert cut_texts(browser, least=8) == []
        # every chart is drawn for a phone too, and only so
        drawn: dict[str, bool] = dict(browser.execute_script(DRAWN))
        assert set(drawn) >= {f"{name}-narrow" for name in EXPECTED}
        assert [name for name in drawn if not name.endswith("-narrow")] == []


def test_report_prints_whole(finished: Finished, tmp_path: Path) -> None:
    with chromium(tmp_path / "profile", theme="dark") as browser:
        browser.get(page_of(finished).as_uri())
        assert unfolds(browser)
        with on_paper(browser) as sheets:
            assert wider_than(browser, A4_WIDTH) == []
            assert cut_cells(browser, A4_WIDTH) == []
            ink, paper, _ = map(luminance, browser.execute_script(COLOURS))
            assert ink < paper  # a dark page would be printed in pale grey
            folded = (
                "return [...document.querySelectorAll('details li')].filter((e) => !e.offsetHeight)"
            )
            assert browser.execute_script(f"{folded}.length") == 0
        pages = pages_printed(browser, tmp_path / "report.pdf")
        # What may not break leaves gaps: a seventh of the paper and a sheet at most.
        assert sheets * 0.8 < pages <= sheets * 7 / 6 + 1


def test_what_is_cut_or_too_wide_is_found(tmp_path: Path) -> None:
    """The measures of the tests above see the faults that they are there for."""
    page = tmp_path / "page.html"
    page.write_text(BAD_PAGE)
    with chromium(tmp_path / "profile") as browser:
        resized(browser, PHONE)
        browser.get(page.as_uri())
        assert [line.split()[0] for line in wider_than(browser, PHONE)] == ["P"]
        assert cut_cells(browser, PHONE) == ["cut by its own width", "out of sight"]
        assert cut_texts(browser, least=8) == ["one: outside", "one: tiny"]
        assert not unfolds(browser)


def test_report_shows_tips_sorts_tables_and_changes_its_theme(
    finished: Finished, tmp_path: Path
) -> None:
    with chromium(tmp_path) as browser:
        browser.get(page_of(finished).as_uri())
        is_hidden, tip = browser.execute_script("""
            const mark = document.querySelector('[id^=models_] [data-tip]');
            mark.dispatchEvent(new PointerEvent('pointerover', {bubbles: true}));
            const tip = document.getElementById('tip');
            return [tip.hidden, tip.textContent];
        """)
        assert is_hidden is False
        number = r"\d+\.\d+"
        assert re.fullmatch(rf"\w+, .+: {number} \({number}–{number}\), [\d,]+ searches", tip)
        column = browser.execute_script("""
            const table = document.querySelector('table[data-sortable]');
            table.tHead.rows[0].cells[3].click();
            return [...table.tBodies[0].rows].map((row) => row.cells[3].textContent);
        """)
        is_number = [text[0].isdigit() for text in column]
        # figures of too few searches, and dashes, stand below the numbers
        assert is_number == sorted(is_number, reverse=True)
        numbers = [float(text.split()[0]) for text in column if text[0].isdigit()]
        assert numbers == sorted(numbers, reverse=True)
        assert len(numbers) > 1
        before, _, _ = browser.execute_script(COLOURS)
        browser.execute_script("document.getElementById('theme').click()")
        after, _, _ = browser.execute_script(COLOURS)
        assert luminance(after) > luminance(before)
        assert console_errors(browser) == []


@contextmanager
def dashboards(home: Path) -> Iterator[dict[str, str]]:
    """``stayrank dashboards`` as a person would start it; page → the link it printed."""
    ports = [str(free_port()) for _ in range(2)]
    words = [
        "dashboards",
        "--home",
        str(home),
        "--mlflow-port",
        ports[0],
        "--prefect-port",
        ports[1],
    ]
    server = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        links: dict[str, str] = {}
        assert server.stdout is not None
        for line in server.stdout:
            name, _, link = line.strip().partition(" ")
            if link.strip().startswith("http"):
                links[name] = link.strip()
            if "Ctrl-C" in line:
                break
        yield links
    finally:
        if server.poll() is None:
            os.kill(server.pid, signal.SIGTERM)
        server.wait(60)
    assert server.returncode == 128 + signal.SIGTERM
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(port))) != 0


def waited(browser: Any, script: str, seconds: float = 60.0) -> Any:
    """The script's first true answer."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = browser.execute_script(script)
        if answer:
            return answer
        time.sleep(0.25)
    raise AssertionError(f"nothing in {seconds} s: {script}; the page: {browser.page_source[:500]}")


@pytest.fixture(scope="module")
def crowned(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A copy of the home whose ranker is champion: the small world's figures win too little."""
    before, run = finished
    home = Home(tmp_path_factory.mktemp("crowned") / "home")
    shutil.copytree(before.home.root, home.root)
    context = RunContext(home=home, settings=before.settings, console=before.console)
    decision = read_decision(home, run)
    assert decision is not None
    ranker = read_record(home, run).children["ranker"]
    with promotion_lock(home):
        record_decision(context.tracking, ranker, replace(decision, is_promoted=True))
    return context, run


@pytest.fixture(scope="module")
def links(crowned: Finished) -> Iterator[dict[str, str]]:
    """Page → the link that ``stayrank dashboards`` printed; the pages are up."""
    with dashboards(crowned[0].home.root) as printed:
        yield printed


@pytest.mark.slow
def test_dashboards_open_at_the_runs_and_show_a_runs_charts(
    crowned: Finished, links: dict[str, str], tmp_path: Path
) -> None:
    context, run = crowned
    parent = read_record(context.home, run).parent
    assert set(links) == {"MLflow", "Prefect"}
    with chromium(tmp_path) as browser:
        browser.get(links["Prefect"])
        # This home was filled without Prefect: its page has to know that no flow ran.
        waited(browser, "return document.body.innerText.includes('Run a task or flow')")
        browser.get(links["MLflow"])
        text = "return document.body.innerText"
        waited(browser, f"{text}.includes('rio_de_janeiro')")
        base = links["MLflow"].split("#")[0]
        experiment = context.tracking.experiment_id
        browser.get(f"{base}#/experiments/{experiment}/runs/{parent}/artifacts/pictures")
        waited(browser, f"{text}.includes('funnel.png')")
        browser.get(f"{base}#/experiments/{experiment}/runs/{parent}")
        waited(browser, f"{text}.includes('two_tower')")
        words = waited(browser, text)
        assert "SIMULATED" in words
        assert "impressions (v" in words


ROWS = """
const rows = {};
for (const cell of document.querySelectorAll('.ag-row .ag-cell[col-id]')) {
  const row = cell.closest('.ag-row').getAttribute('row-index');
  // above the name stands its colour
  (rows[row] ??= {})[cell.getAttribute('col-id')] = cell.innerText.trim().split('\\n').pop();
}
const found = Object.keys(rows).sort((a, b) => a - b).map((row) => rows[row]);
return found.length >= %d && found.every((row) => 'tags.`standing`' in row) && found;
"""
PANEL = "Ask questions about your experiments"
NAME, STANDING = "attributes.`Run Name`", "tags.`standing`"


@pytest.mark.slow
def test_link_to_mlflow_opens_on_the_models_the_best_first_and_the_champion_marked(
    crowned: Finished, links: dict[str, str], tmp_path: Path
) -> None:
    context, run = crowned
    record, card = read_record(context.home, run), read_scorecard(context.home)
    shown = {score.model: as_shown(score) for score in card.scores if _is_primary(score, card)}
    best_first = sorted((shown[model] for model in record.models), reverse=True)
    client, experiment = context.tracking.client, context.tracking.experiment_id
    # MLflow's own page packs the state of a view; both forms have to open.
    plain = json.loads(client.get_experiment(experiment).tags["mlflow.sharedViewState.models"])
    packed = base64.b64encode(zlib.compress(plain["state"].encode())).decode()
    tag = json.dumps({**plain, "state": f"deflate;{packed}"})
    client.set_experiment_tag(experiment, "mlflow.sharedViewState.packed", tag)
    with chromium(tmp_path, width=1_700) as browser:
        for link in (links["MLflow"], links["MLflow"].replace("Key=models", "Key=packed")):
            browser.get("about:blank")
            browser.get(link)
            rows = waited(browser, ROWS % len(best_first))
            assert [shown[row[NAME]] for row in rows] == best_first
            assert {row[NAME] for row in rows} == set(record.models)
            cells = {row[NAME]: row for row in rows}
            ranker = cells["ranker"]
            assert ranker[STANDING] == "★ champion"
            assert {row[STANDING] for model, row in cells.items() if model != "ranker"} == {"-"}
            assert re.fullmatch(r"\d+\.\d–\d+\.\d", ranker["tags.`95 percent interval`"])
            assert re.fullmatch(r"[+-][\d.]+% \(.+ to .+\)", ranker["tags.`over popularity`"])
        words = browser.execute_script("return document.body.innerText")
        assert "SIMULATED DATA" in words
        # every ranker of before, not folded under its training
        browser.get("about:blank")
        browser.get(links["MLflow"].replace("Key=models", "Key=rankers"))
        (ranker,) = waited(browser, ROWS % 1)
        assert (ranker[NAME], ranker[STANDING]) == ("ranker", "★ champion")
        assert PANEL not in words
        assert "Traces" not in browser.title


def _is_primary(score: Score, card: Scorecard) -> bool:
    return score.segment == "all" and score.metric == primary_metric(card)


@pytest.mark.slow
def test_first_visit_to_mlflow_lands_on_the_runs_wherever_it_begins(
    crowned: Finished, links: dict[str, str], tmp_path: Path
) -> None:
    base, experiment = links["MLflow"].split("#")[0], crowned[0].tracking.experiment_id
    with chromium(tmp_path) as browser:
        browser.get(f"{base}#/experiments/{experiment}")
        waited(browser, "return document.querySelectorAll('.ag-row').length > 1")
        assert "/runs?workflowType=machine_learning" in browser.current_url
        assert PANEL not in browser.execute_script("return document.body.innerText")

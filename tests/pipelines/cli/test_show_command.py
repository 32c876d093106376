"""``stayrank show``: what is found, and mistakes as one sentence with an exit code."""

from __future__ import annotations

import polars as pl
import pytest

from data.schema.tables import RECOMMENDATIONS
from pipelines.run_context import RunContext
from tests.pipelines.cli.calls import call


@pytest.fixture(autouse=True)
def at_home(recommended: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAYRANK_HOME", str(recommended.home.root))
    # Of the same small models that its table was made with.
    for name, value in recommended.settings.recommendation.model_dump().items():
        if name in {"top", "candidates"}:
            monkeypatch.setenv(f"STAYRANK_RECOMMENDATION__{name.upper()}", str(value))


@pytest.fixture
def row(recommended: RunContext) -> dict[str, object]:
    rows = recommended.lake.scan(RECOMMENDATIONS.name).filter(
        pl.col("query_checkin") > pl.col("ds")
    )
    return dict(rows.sort("id_search", "rank").head(1).collect().row(0, named=True))


def test_a_guest_a_listing_and_a_search_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], row: dict[str, object]
) -> None:
    guest, listing, search = (str(row[f"id_{name}"]) for name in ("user", "listing", "search"))
    assert call(monkeypatch, "show", "guest", guest, "--top", "2") == 0
    assert f"{listing}" in capsys.readouterr().out
    what_if = ("--checkin", "2026-02-13", "--nights", "4", "--guests", "2", "--top", "2")
    assert call(monkeypatch, "show", "guest", guest, *what_if) == 0
    assert "4 nights, 3 of them Carnival" in capsys.readouterr().out
    assert call(monkeypatch, "show", "search", search, "--top", "2") == 0
    assert f"Search {search}" in capsys.readouterr().out
    assert call(monkeypatch, "show", "listing", listing, "--guest", guest, "--top", "2") == 0
    assert "Yes: it stands at place 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("guest", "nobody"), 1, "the log has no guest 'nobody'"),
        (("listing", "nobody"), 1, "the log has no listing 'nobody'"),
        (("search", "nobody"), 1, "the log has no search 'nobody'"),
        (("guest", "GUEST", "--checkin", "13.2.2026"), 2, "'13.2.2026' is not a date"),
        (("guest", "GUEST", "--checkin", "2026-01-01"), 2, "has passed"),
        (("guest", "GUEST", "--market", "sao_paolo"), 2, "did you mean sao_paulo"),
        (("guest", "GUEST", "--nights", "0"), 2, "nights"),
        (("guest", "GUEST", "--guests", "many"), 2, "guests"),
        (("listing", "LISTING", "--nights", "3"), 2, "say for whom"),
        (("listing", "LISTING", "--guest", "nobody"), 1, "the log has no guest 'nobody'"),
        (("house", "LISTING"), 2, "house"),
    ],
)
def test_mistakes_are_a_sentence_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    row: dict[str, object],
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    ids = {"GUEST": str(row["id_user"]), "LISTING": str(row["id_listing"])}
    assert call(monkeypatch, "show", *(ids.get(word, word) for word in words)) == code
    printed = capsys.readouterr()
    # The box around a usage error breaks its lines.
    error = " ".join(printed.err.replace("│", " ").split())
    assert said in error
    assert "Traceback" not in printed.err
    assert printed.out == ""

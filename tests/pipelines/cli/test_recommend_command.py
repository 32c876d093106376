"""``recommend`` by hand: a trial of other settings leaves the day's table alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.config.home import Home
from pipelines.promotion import select_serving_run
from pipelines.promotion.select_serving_run import ServingRun
from pipelines.recommendation import recommend
from pipelines.reporting import recommended_lists
from pipelines.verdict import who_recommends
from tests.pipelines.cli.calls import call


@pytest.mark.parametrize(
    ("words", "done"),
    [
        ((), "written"),
        (("--top", "20"), "written"),  # as the settings have it
        (("--top", "5"), "tried"),
        (("--top", "5", "--replace"), "written"),
    ],
)
def test_only_a_run_by_the_settings_or_an_asked_for_one_writes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...], done: str
) -> None:
    did: list[tuple[str, str]] = []

    def doing(what: str) -> Any:
        def of_run(_: object, run: str, **settings: object) -> None:
            del settings
            did.append((what, run))

        return of_run

    champion = ServingRun(run="the champion", standing="champion")
    monkeypatch.setattr(select_serving_run, "run_to_recommend_with", lambda _: champion)
    monkeypatch.setattr(who_recommends, "say_who", lambda *_: None)
    monkeypatch.setattr(recommend, "recommend", doing("written"))
    monkeypatch.setattr(recommend, "try_recommending", doing("tried"))
    monkeypatch.setattr(recommended_lists, "say_written", lambda *_: None)
    monkeypatch.setattr(recommended_lists, "say_trial", lambda *_: None)
    Home(tmp_path / "home").set_latest_run("the champion")
    assert call(monkeypatch, "recommend", *words, "--home", str(tmp_path / "home")) == 0
    assert did == [(done, "the champion")]

"""Settings come from the command line, the environment and one TOML file, in that order."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.schema.feature_set import Feature, FeatureSet
from models.ranker import Ranker
from pipelines.config.settings import SettingsError, load_settings
from pipelines.training.model_factory import check_settings, make_recommender, names_of

ONE_FEATURE = FeatureSet(
    (Feature(name="nights", kind="number", meaning="nights", null="never null"),)
)


def test_command_line_beats_environment_beats_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "stayrank.toml"
    file.write_text("seed = 1\nthreads = 1\n[simulation]\nsearches = 10\n")
    assert load_settings(file).seed == 1
    monkeypatch.setenv("STAYRANK_SEED", "2")
    assert load_settings(file).seed == 2
    assert load_settings(file, seed=3).seed == 3
    assert load_settings(file).simulation.searches == 10


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("sed = 1", "sed"),
        ("seed = -1", "seed"),
        ("[simulation]\nsearches = 0", "simulation.searches"),
        ("[split]\nby = 'weeks'", "split.by"),
        ("[split]\nvalid_dayz = 2", "split.valid_dayz"),
        ("seed = = 1", "stayrank.toml"),
        ("[batch]\ntime_zone = 'Mars/Olympus'", "batch.time_zone.*Europe/Lisbon"),
        ("[batch]\nweekly_cron = '61 * * * *'", "batch.weekly_cron.*Bad minute"),
        ("tracking_uri = 'ftp://x'", "tracking_uri.*https://"),
    ],
)
def test_unsound_setting_is_named(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "stayrank.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=named):
        load_settings(file)


def test_missing_settings_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml"):
        load_settings(tmp_path / "absent.toml")


def test_hyper_parameters_from_the_environment_reach_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STAYRANK_RANKER__LEARNING_RATE", "0.2")
    ranker = make_recommender("ranker", ONE_FEATURE, load_settings(seed=5))
    assert isinstance(ranker, Ranker)
    assert (ranker.config.learning_rate, ranker.config.seed) == (0.2, 5)


def test_unknown_hyper_parameter_is_named() -> None:
    settings = load_settings(ranker={"learning_rat": 0.1})
    with pytest.raises(SettingsError, match=r"ranker\.learning_rat"):
        make_recommender("ranker", ONE_FEATURE, settings)


def test_words_of_the_command_line_name_models() -> None:
    settings = load_settings()
    assert names_of(["two-tower"], settings) == ("random", "popularity", "two_tower")
    assert names_of(["all"], settings)[-1] == "ranker"
    with pytest.raises(SettingsError, match="rankr"):
        names_of(["rankr"], settings)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"ranker": {"learnig_rate": 0.1}}, "setting ranker.learnig_rate is not known; known are"),
        ({"ranker": {"learning_rate": "x"}}, "setting ranker.learning_rate = 'x': Input should"),
        ({"ranker": {"learning_rate": -1}}, "settings of ranker: .*learning_rate"),
        ({"two_tower": {"epochs": 0}}, "settings of two_tower: .*epochs"),
        ({"two_tower": {"dimension": 7.5}}, "setting two_tower.dimension = 7.5"),
        ({"als": {"factors": 0}}, "settings of als: .*factors"),
        ({"funnel": {"debiasing": "x"}}, "setting funnel.debiasing = 'x'"),
        ({"retrieval": {"index": {"kind": "x"}}}, "setting retrieval.index.kind = 'x'"),
        ({"models": ("rankr",)}, "setting models: no model is called 'rankr'"),
        ({"models": ("ranker",)}, "recommending needs two_tower and ranker; add two_tower"),
    ],
)
def test_settings_that_a_later_step_would_refuse_are_refused_at_once(
    given: dict[str, object], told: str
) -> None:
    with pytest.raises(SettingsError, match=told) as raised:
        check_settings(load_settings(**given), for_recommending=True)
    assert "pydantic" not in str(raised.value)


def test_models_may_be_trained_without_those_that_recommend() -> None:
    check_settings(load_settings(models=("popularity",)))


@pytest.mark.parametrize(
    ("variable", "meant"),
    [("STAYRANK_SED", "STAYRANK_SEED"), ("STAYRANK_RANKERS__K", "STAYRANK_RANKER is")],
)
def test_misspelt_environment_variable_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, meant: str
) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(SettingsError, match=f"{variable}.*{meant}"):
        load_settings()


@pytest.mark.parametrize("name", ["SERVICE_HOST", "HOME", "SECRETS", "WEBHOOK_FILE"])
def test_variables_of_the_surroundings_are_let_be(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"STAYRANK_{name}", "1")
    load_settings()

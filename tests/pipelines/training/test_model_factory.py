"""Models from settings: which there are, their hyper-parameters, and settings refused early."""

from __future__ import annotations

import pytest

from data.schema.feature_set import Feature, FeatureSet
from models.funnel.funnel_model import FunnelModel
from models.lambdarank import LambdaRank
from pipelines.config.settings import SettingsError, load_settings
from pipelines.training.model_factory import check_settings, make_recommender, names_of

ONE_FEATURE = FeatureSet(
    (Feature(name="nights", kind="number", meaning="nights", null="never null"),)
)


def test_hyper_parameters_from_the_environment_reach_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STAYRANK_RANKER__LEARNING_RATE", "0.2")
    monkeypatch.setenv("STAYRANK_LAMBDARANK__TRUNCATION", "15")
    settings = load_settings(seed=5)
    ranker = make_recommender("ranker", ONE_FEATURE, settings)
    rival = make_recommender("lambdarank", ONE_FEATURE, settings)
    assert isinstance(ranker, FunnelModel)
    assert isinstance(rival, LambdaRank)
    assert (ranker.config.learning_rate, ranker.config.seed) == (0.2, 5)
    assert (rival.config.truncation, rival.config.seed) == (15, 5)


def test_unknown_hyper_parameter_is_named() -> None:
    settings = load_settings(ranker={"learning_rat": 0.1})
    with pytest.raises(SettingsError, match=r"ranker\.learning_rat"):
        make_recommender("ranker", ONE_FEATURE, settings)


def test_words_of_the_command_line_name_models() -> None:
    settings = load_settings()
    assert names_of(["two-tower"], settings) == ("random", "popularity", "two_tower")
    assert names_of(["all"], settings)[-1] == "ranker"
    with pytest.raises(SettingsError, match=r"'rankr' \(did you mean 'ranker'\?\)"):
        names_of(["rankr"], settings)
    with pytest.raises(SettingsError, match=r"the funnel is the ranker now: write ranker"):
        names_of(["funnel"], settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"ranker": {"learnig_rate": 0.1}},
            r"ranker.learnig_rate is not known \(did you mean 'learning_rate'\?\); known are",
        ),
        (
            {"ranker": {"learning_rate": "x"}},
            "ranker.learning_rate = 'x': must be a number",
        ),
        ({"ranker": {"learning_rate": -1}}, "ranker.learning_rate = -1.0: must be above 0"),
        ({"two_tower": {"epochs": 0}}, "setting two_tower.epochs = 0: must be at least 1"),
        ({"two_tower": {"dimenson": 8}}, "two_tower.dimenson .*did you mean 'dimension'"),
        ({"retrieval": {"index": {"least_recall": 2}}}, "retrieval.index.least_recall = 2.0: must"),
        ({"two_tower": {"dimension": 7.5}}, "setting two_tower.dimension = 7.5"),
        ({"als": {"factors": 0}}, "setting als.factors = 0: must be at least 1"),
        ({"ranker": {"debiasing": "x"}}, "setting ranker.debiasing = 'x'"),
        ({"ranker": {"truncation": 15}}, r"ranker.truncation is .* lambdarank's: .*\[lambdarank\]"),
        ({"lambdarank": {"debiasing": "x"}}, "setting lambdarank.debiasing = 'x'"),
        ({"models": ("funnel",)}, "setting models: the funnel is the ranker now: write ranker"),
        ({"retrieval": {"index": {"kind": "x"}}}, "setting retrieval.index.kind = 'x'"),
        (
            {"models": ("rankr",)},
            "setting models: no model is called 'rankr' .did you mean",
        ),
        (
            {"models": ("ranker",)},
            "recommending needs two_tower and ranker; add two_tower",
        ),
    ],
)
def test_settings_that_a_later_step_would_refuse_are_refused_at_once(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as raised:
        check_settings(load_settings(**settings), for_recommending=True)
    assert "pydantic" not in str(raised.value)


def test_models_that_cannot_recommend_may_be_trained_but_not_recommended_with() -> None:
    settings = load_settings(models=("popularity",))
    check_settings(settings)
    with pytest.raises(SettingsError, match="recommending needs two_tower and ranker"):
        check_settings(settings, for_recommending=True)

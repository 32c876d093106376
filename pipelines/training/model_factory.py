"""Which class stands behind each model's name, and how the settings configure it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

from data.schema.feature_set import FeatureSet
from models.baselines.heuristics import BestRated, Cheapest, Popularity, Random
from models.baselines.implicit_als import ALS_VARIANTS, ImplicitALS, ImplicitALSConfig
from models.funnel.funnel_model import FunnelConfig, FunnelModel
from models.lambdarank import LambdaRank, LambdaRankConfig
from models.ranker import load_ranker
from models.recommender import Recommender
from models.stacking import Stacked
from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.recommender import TwoTower
from models.two_tower.retrieval.retriever import RetrieverConfig
from pipelines.config.setting_errors import SettingsError, unknown_setting
from pipelines.config.settings import Settings
from pipelines.run_context import config_of
from pipelines.training.model_names import (
    BASELINES,
    MODEL_NAMES,
    SERVING_MODELS,
    check_names,
    names_of,
)

__all__ = [
    "BASELINES",
    "MODEL_NAMES",
    "SERVING_MODELS",
    "check_settings",
    "load_recommender",
    "make_recommender",
    "names_of",
    "ranker_config",
    "tuned_names",
]

_STACKED: dict[str, Callable[[Path], Recommender]] = {
    "als": ImplicitALS.load,
    "two_tower": TwoTower.load,
}
_LOADERS: dict[str, Callable[[Path], Recommender]] = {
    "random": Random.load,
    "cheapest": Cheapest.load,
    "best_rated": BestRated.load,
    "popularity": Popularity.load,
    "als": ImplicitALS.load,
    "two_tower": TwoTower.load,
    # Of runs from before the funnel was the ranker.
    "funnel": FunnelModel.load,
    "lambdarank": LambdaRank.load,
    "stacked": lambda folder: Stacked.load(folder, _STACKED),
    "ranker": load_ranker,
}


def make_recommender(name: str, features: FeatureSet, settings: Settings) -> Recommender:
    """An unfitted model with the settings' configuration and seed."""
    makers: dict[str, Callable[[], Recommender]] = {
        "random": lambda: Random(seed=settings.seed),
        "cheapest": Cheapest,
        "best_rated": BestRated,
        "popularity": Popularity,
        "als": lambda: _als(settings),
        "two_tower": lambda: _two_tower(settings),
        "lambdarank": lambda: LambdaRank(features, _lambdarank_config(settings)),
        "stacked": lambda: _stacked(features, settings),
        "ranker": lambda: FunnelModel(features, ranker_config(settings)),
    }
    return makers[name]()


def load_recommender(name: str, folder: Path) -> Recommender:
    """A model as it was saved; raises ``ValueError`` where the folder is not whole."""
    return _LOADERS[name](folder)


def check_settings(settings: Settings, *, for_recommending: bool = False) -> None:
    """Raise :class:`SettingsError` for what would otherwise be refused after minutes of work:
    the settings of a model or of retrieval, the name of a model.

    ``for_recommending`` asks too that the models that a recommendation is made with are
    trained.
    """
    check_names(settings, for_recommending=for_recommending)
    _als(settings)
    _two_tower(settings)
    ranker_config(settings)
    _lambdarank_config(settings)
    config_of(RetrieverConfig, "retrieval", dict(settings.retrieval), settings.written)


def tuned_names(names: Sequence[str], settings: Settings) -> tuple[str, ...]:
    """Those of the models that search their own settings on the validation window."""
    searching = {"best_rated", "popularity"} | (set() if settings.als else {"als"})
    return tuple(name for name in names if name in searching)


def _als(settings: Settings) -> ImplicitALS:
    if settings.als:
        config = config_of(ImplicitALSConfig, "als", settings.als, settings.written)
        return ImplicitALS((config,))
    return ImplicitALS(ALS_VARIANTS)


def _two_tower(settings: Settings) -> TwoTower:
    given = {"seed": settings.seed, **settings.two_tower}
    shape = {name: given.pop(name) for name in TowerConfig.__dataclass_fields__ if name in given}
    # One section: the shape's names belong to what could have been meant.
    known = [*TowerConfig.__dataclass_fields__, *TrainConfig.__dataclass_fields__]
    for name in given:
        if name not in known:
            told = unknown_setting(("two_tower", name), known, settings.written)
            raise SettingsError(f"{told}; known are {', '.join(sorted(known))}")
    return TwoTower(
        config_of(TowerConfig, "two_tower", shape, settings.written),
        config_of(TrainConfig, "two_tower", given, settings.written),
    )


def ranker_config(settings: Settings) -> FunnelConfig:
    """The ranker's settings: section ``[ranker]`` and the seed.

    Raises :class:`SettingsError` naming a setting that is unsound, unknown, or lambdarank's.
    """
    own = {field.name for field in fields(FunnelConfig)}
    moved = {field.name for field in fields(LambdaRankConfig)} - own
    for name in settings.ranker:
        if name in moved:
            raise SettingsError(
                f"{settings.written.where(('ranker', name))}setting ranker.{name} is one of "
                f"lambdarank's: write it as [lambdarank]. "
                "The ranker is the funnel now, and lambdarank its rival"
            )
    given = {"seed": settings.seed, **settings.ranker}
    return config_of(FunnelConfig, "ranker", given, settings.written)


def _lambdarank_config(settings: Settings) -> LambdaRankConfig:
    given = {"seed": settings.seed, **settings.lambdarank}
    return config_of(LambdaRankConfig, "lambdarank", given, settings.written)


def _stacked(features: FeatureSet, settings: Settings) -> Stacked:
    components: dict[str, Recommender] = {"als": _als(settings), "two_tower": _two_tower(settings)}
    return Stacked(features, components, _lambdarank_config(settings))

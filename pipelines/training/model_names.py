"""The names of the models, and what the words of the command line mean by them.

Apart from the models themselves, so that a misspelt name is refused before they are imported.
"""

from __future__ import annotations

from collections.abc import Sequence

from data.close_names import did_you_mean
from pipelines.config.settings import Settings, SettingsError

__all__ = ["BASELINES", "MODEL_NAMES", "SERVING_MODELS", "check_names", "names_of"]

BASELINES = ("random", "cheapest", "best_rated", "popularity")
# The models that a recommendation is made with.
SERVING_MODELS = ("two_tower", "ranker")
MODEL_NAMES = (*BASELINES, "als", "two_tower", "lambdarank", "stacked", "ranker")


def names_of(words: Sequence[str], settings: Settings) -> tuple[str, ...]:
    """Model names from the words of the command line, in the order of training.

    Random and popularity are always among them: nothing is evaluated without them.
    Raises :class:`SettingsError` for a word that names no model.
    """
    chosen: set[str] = {"random", "popularity"}
    for word in words:
        name = word.replace("-", "_")
        if name == "all":
            chosen.update(_known(model, "models") for model in settings.models)
        elif name == "baselines":
            chosen.update(BASELINES)
        else:
            chosen.add(_known(word))
    return tuple(name for name in MODEL_NAMES if name in chosen)


def check_names(settings: Settings, *, for_recommending: bool = False) -> None:
    """Raise :class:`SettingsError` where ``models`` of the settings names one that is not there.

    ``for_recommending`` asks too that the models that a recommendation is made with are
    trained.
    """
    names = names_of(["all"], settings)
    absent = [name for name in SERVING_MODELS if for_recommending and name not in names]
    if absent:
        raise SettingsError(
            f"setting models = {settings.models}: recommending needs "
            f"{' and '.join(SERVING_MODELS)}; add {', '.join(absent)}"
        )


def _known(word: str, setting: str = "") -> str:
    name = word.replace("-", "_")
    where = f"setting {setting}: " if setting else ""
    if name == "funnel":
        raise SettingsError(
            f"{where}the funnel is the ranker now: write ranker (its rival is lambdarank)"
        )
    if name not in MODEL_NAMES:
        known = ", ".join((*MODEL_NAMES, "baselines", "all") if not setting else MODEL_NAMES)
        meant = did_you_mean(name, MODEL_NAMES)
        raise SettingsError(f"{where}no model is called {word!r}{meant}; there are {known}")
    return name

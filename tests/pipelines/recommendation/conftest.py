"""A small trained home whose guests are unlike the others, for the tests of recommendations."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.recommendation.recommend import recommended_on
from tests.pipelines.recommendation.worlds import Trained, Unlike, unlike_the_others


@pytest.fixture(scope="session")
def unlike(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Unlike:
    """The same home with a guest for each edge case, and the lists of the morning."""
    root = Path(tmp_path_factory.mktemp("unlike")) / "home"
    context = trained.with_log(root, unlike_the_others(trained), exposure=False)
    return Unlike(context=context, made=recommended_on(context, trained.run, trained.morning))

"""What a training refuses before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import SettingsError, load_settings
from pipelines.run_context import RunContext
from pipelines.training.train import train


def test_a_cluster_without_lambdarank_to_train_is_refused(tmp_path: Path) -> None:
    context = RunContext(home=Home(tmp_path), settings=load_settings(), console=Console())
    with pytest.raises(
        SettingsError, match=r"not among popularity, ranker.*stayrank train lambdarank"
    ):
        train(context, ("popularity", "ranker"), dask="tcp://10.0.0.5:8786")

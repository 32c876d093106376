"""Secrets stay secret, pickles stay out, settings stay in the home."""

from __future__ import annotations

import ast
import json
from datetime import date
from pathlib import Path

import pytest

from data.errors import DataError, HomeError
from data.ingest import IngestOptions
from data.ingest.pseudonyms import pseudonym
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.tracking.model_checksums import check_manifest, write_manifest
from tests.operations.worlds import SMALL, TwoWeeks, context_in, daily, deliver

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("data", "features", "models", "pipelines")
KEY = "planted-pseudonym-key-of-the-tests"
PASSWORD = "planted-tracking-password"  # noqa: S105  # what is looked for
WEBHOOK = "http://127.0.0.1:9/planted-webhook-token"
# What loads or runs a pickle, or can.
PICKLE_MODULES = {"pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal"}
PICKLE_CALLS = {"read_pickle", "to_pickle", "load_pickle"}


def _sources() -> list[Path]:
    return [path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py")]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_pickle_is_ever_loaded(package: str) -> None:
    for path in (REPOSITORY / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            assert not _imports(node) & PICKLE_MODULES, path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr not in PICKLE_CALLS, path
                assert not _may_load_a_pickle(node), f"{path}:{node.lineno}"


def _imports(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").split(".")[0]}
    return set()


def _may_load_a_pickle(call: ast.Call) -> bool:
    """``torch.load`` without ``weights_only=True``, ``np.load`` with ``allow_pickle``."""
    assert isinstance(call.func, ast.Attribute)
    owner = call.func.value.id if isinstance(call.func.value, ast.Name) else ""
    given = {k.arg: k.value.value for k in call.keywords if isinstance(k.value, ast.Constant)}
    if (owner, call.func.attr) == ("torch", "load"):
        return given.get("weights_only") is not True
    return owner in ("np", "numpy") and call.func.attr == "load" and bool(given.get("allow_pickle"))


@pytest.mark.operations
def test_planted_secrets_are_found_nowhere_under_the_home(
    tmp_path: Path, two_weeks: TwoWeeks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAYRANK_PSEUDONYM_KEY", KEY)
    monkeypatch.setenv("STAYRANK_WEBHOOK", WEBHOOK)
    context = context_in(tmp_path / "home", load_settings(**SMALL))
    assert context.settings.pseudonym_key.get_secret_value() == KEY
    deliver(context, *two_weeks.first_week(), two_weeks.log(date(2026, 1, 19)))
    daily(context)
    daily(context, date(2026, 1, 21))  # no log: held, and a notice that cannot be sent
    runs = context.tracking.client.search_runs([context.tracking.experiment_id])
    params = json.dumps([run.data.params for run in runs])
    assert "pseudonym_key" in params
    for secret in (KEY, "planted-webhook-token"):
        assert secret not in params
        for path in context.home.root.rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes(), path


@pytest.mark.operations
def test_the_password_of_mlflows_address_is_found_nowhere(
    tmp_path: Path,
    two_weeks: TwoWeeks,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    # MLflow is away: all that it would get waits under the home.
    monkeypatch.setenv("STAYRANK_TRACKING_URI", f"http://ana:{PASSWORD}@127.0.0.1:9")
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")  # set by the program; put back afterwards
    context = context_in(tmp_path / "home", load_settings(**SMALL))
    deliver(context, *two_weeks.first_week(), two_weeks.log(date(2026, 1, 19)))
    daily(context)
    waiting = [path.read_text() for path in context.home.outbox.glob("*.json")]
    assert any("http://***@127.0.0.1:9" in call for call in waiting)
    for path in context.home.root.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path
    said = capfd.readouterr()
    assert PASSWORD not in said.out + said.err


@pytest.mark.parametrize("given", ["../elsewhere", "inbox/../../x", "/etc"])
def test_a_path_of_the_settings_that_leads_out_of_the_home_is_refused(
    tmp_path: Path, given: str
) -> None:
    with pytest.raises(DataError, match="leads out of the home"):
        Home(tmp_path / "home").prepare().inside(Path(given))


def test_a_link_that_leads_out_of_the_home_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").prepare()
    (home.root / "inbox").symlink_to(tmp_path)
    with pytest.raises(DataError, match="leads out of the home"):
        home.inside(Path("inbox"))


@pytest.mark.parametrize("change", ["altered", "missing", "added"])
def test_a_model_file_that_is_not_the_one_saved_is_named(tmp_path: Path, change: str) -> None:
    (tmp_path / "model.txt").write_text("trees")
    write_manifest(tmp_path)
    check_manifest(tmp_path)
    if change == "altered":
        (tmp_path / "model.txt").write_text("treex")
    elif change == "missing":
        (tmp_path / "model.txt").unlink()
    else:
        (tmp_path / "more.txt").write_text("")
    with pytest.raises(DataError, match=r"(model|more)\.txt: is (missing|not the file)"):
        check_manifest(tmp_path)


def test_options_do_not_show_their_key() -> None:
    assert KEY not in repr(IngestOptions(pseudonym_key=KEY))
    assert KEY not in repr(load_settings(pseudonym_key=KEY))


def test_a_short_key_is_refused() -> None:
    with pytest.raises(HomeError, match="shorter than 16"):
        pseudonym("short", "U1")

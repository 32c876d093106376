"""No text that is shown holds the credentials of an address."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DataError
from pipelines.config.redaction import errors_redacted, redact, split_credentials
from pipelines.config.settings import SettingsError, load_settings

PASSWORD = "planted-p4ssword"  # noqa: S105  # what is looked for


@pytest.mark.parametrize(
    "address",
    [
        f"http://ana:{PASSWORD}@mlflow:5000",
        f"https://{PASSWORD}@mlflow/api",
        f"postgresql+psycopg2://ana:{PASSWORD}@db/mlflow?sslmode=require",
        f"postgresql://ana@db/mlflow?sslmode=require&password={PASSWORD}",
        f"mysql://ana:at@{PASSWORD}@db/mlflow",
        f"https://hooks.example.org/x?token={PASSWORD}",
        f"https://store.example.org/f?X-Amz-Signature=1&sig={PASSWORD}",
    ],
)
@pytest.mark.parametrize(
    "words", ["{}", "no answer from {} (timed out)", "{{'uri': '{}'}}", 'uri="{}", then', "<{}>"]
)
def test_credentials_are_hidden_wherever_an_address_stands(address: str, words: str) -> None:
    shown = redact(words.format(address))
    assert PASSWORD not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:5000/#/experiments/1/runs/7",
        "/#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=models",
        "sqlite:////data/home/mlflow.db",
        "s3://bucket/a@b/c",
        "mail ana@example.org",
        "STAYRANK_SEED=7",
        "https://example.org/search?q=house&page=2",
    ],
)
def test_what_holds_no_credentials_stays(text: str) -> None:
    assert redact(text) == text


@given(st.text(min_size=1), st.text(min_size=8, alphabet="abcdefgh0123456789%.~-_"))
def test_no_encoded_password_is_shown(before: str, password: str) -> None:
    assert f":{password}@" not in redact(f"{before} postgresql://ana:{password}@db/x")


def test_credentials_are_split_off_and_decoded() -> None:
    assert split_credentials("https://ana:p%40%2Fs@host:1/api?x=1") == (
        "https://host:1/api?x=1",
        "ana",
        "p@/s",
    )


@pytest.mark.parametrize("is_cause", [False, True])
def test_an_error_that_shows_a_password_is_raised_without_it_and_without_its_causes(
    is_cause: bool,
) -> None:
    def fail() -> None:
        shown = OSError(f"no answer from http://ana:{PASSWORD}@host")
        with errors_redacted():
            if is_cause:
                raise ValueError("the store is away") from shown
            raise shown

    with pytest.raises(DataError) as raised:
        fail()
    assert PASSWORD not in str(raised.value)
    assert raised.value.__suppress_context__


def test_other_errors_stay_what_they_are() -> None:
    def fail() -> None:
        with errors_redacted():
            raise KeyError("a column")

    with pytest.raises(KeyError):
        fail()


def test_settings_are_dumped_and_shown_without_the_password_and_hand_it_on() -> None:
    address = f"postgresql://ana:{PASSWORD}@db/mlflow"
    settings = load_settings(tracking_uri=address, webhook=f"https://hook/{PASSWORD}")
    for shown in (settings.model_dump(), settings.model_dump_json(), repr(settings), settings):
        assert PASSWORD not in str(shown)
    assert settings.model_dump()["tracking_uri"] == "postgresql://***@db/mlflow"
    assert settings.tracking_uri == address


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("STAYRANK_TRACKING_URI", f"ftp://ana:{PASSWORD}@host"),
        ("STAYRANK_TRACKING_URI", f"postgresql://ana:with/{PASSWORD}@host/x"),
        ("STAYRANK_TRACKING_URI", f"ftp://ana:with/{PASSWORD}@host/x"),
        ("STAYRANK_WEBHOOK", f"ftp://{PASSWORD}"),
    ],
)
def test_a_setting_that_is_refused_does_not_show_its_password(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("secret", ["pseudonym_key", "webhook"])
@pytest.mark.parametrize("content", [None, ""])
def test_a_secret_file_that_is_missing_or_empty_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, secret: str, content
) -> None:
    file = tmp_path_factory.mktemp("secrets") / secret
    if content is not None:
        file.write_text(content)
    variable = f"STAYRANK_{secret.upper()}_FILE"
    monkeypatch.setenv(variable, str(file))
    with pytest.raises(SettingsError, match=variable):
        load_settings()


def test_a_webhook_comes_from_its_file(
    monkeypatch: pytest.MonkeyPatch, make_file: Callable[[str], str]
) -> None:
    monkeypatch.setenv("STAYRANK_WEBHOOK_FILE", make_file("https://hook/x\n"))
    assert load_settings().webhook.get_secret_value() == "https://hook/x"
    monkeypatch.setenv("STAYRANK_WEBHOOK_FILE", make_file("none\n"))
    assert load_settings().webhook.get_secret_value() == ""


@pytest.fixture
def make_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    def make(content: str) -> str:
        file = tmp_path_factory.mktemp("secret") / "file"
        file.write_text(content)
        return str(file)

    return make

"""Settings come from the command line, the environment and one TOML file, in that order."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.config.settings import SettingsError, load_settings
from pipelines.monitoring.config import monitoring_config
from pipelines.promotion.gate_config import gate_config


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
        ("[recommendation]\nwhole_catalogue = -1", "recommendation.whole_catalogue = -1"),
        ("[recommendation]\ntop = 0", "line 2: .*top = 0: must be from 1 to 1,000"),
        ("[recommendation]\ntop = 1001", "top = 1001: must be from 1 to 1,000"),
        ("[recommendation]\ntop = 1.5", "top = 1.5: must be a whole number, from 1 to 1,000"),
        ("[batch]\nwait_s = nan", "wait_s = nan: must be at least 0"),
        ("[batch]\n\nwehn_small = 'hold'", "line 3: .*wehn_small .* .did you mean 'when_small'"),
        ("[simulaton]\nsearches = 9", "line 1: setting simulaton .*did you mean 'simulation'"),
        ("[batch]\ntop = 9", r"batch.top is not known; write it under \[recommendation\]"),
        ("[batch]\nseeed = 9", "batch.seeed is not known$"),
        ("[recommendation]\nproposals = 0", "recommendation.proposals = 0"),
        ("[recommendation]\nnight_capacity = 0", "recommendation.night_capacity = 0"),
        ("[recommendation]\nnight_capacity = 101", "recommendation.night_capacity = 101"),
        ("[recommendation]\nallocation = 'perhaps'", "recommendation.allocation = 'perhaps'"),
        ("[recommendation]\nallocated = true", "recommendation.allocated is not known"),
        (
            "[recommendation]\nlanguage = 'pt_BR'",
            "recommendation.language = 'pt_BR'.*'pt'",
        ),
        ("[recommendation]\ncandidates = 10001", "recommendation.candidates = 10001"),
        ("seed = = 1", "stayrank.toml"),
        ("[batch]\ntime_zone = 'Mars/Olympus'", "batch.time_zone.*Europe/Lisbon"),
        ("[batch]\nweekly_cron = '61 * * * *'", "batch.weekly_cron.*Bad minute"),
        ("tracking_uri = 'ftp://x'", "tracking_uri.*https://"),
        ("[ingest]\nrefuse_share = 1.5", "ingest.refuse_share = 1.5"),
        ("[ingest]\nrefuse = 0.5", "ingest.refuse is not known"),
    ],
)
def test_unsound_setting_is_named(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "stayrank.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=named):
        load_settings(file)


def test_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "stayrank.toml"
    file.write_bytes(b"\xef\xbb\xbf[ingest]\nwarn_share = 0.1\n")
    assert load_settings(file).ingest.warn_share == 0.1


def test_missing_settings_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml"):
        load_settings(tmp_path / "absent.toml")


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


def test_misspelt_setting_of_a_variable_is_named_with_the_one_that_was_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STAYRANK_BATCH__WEHN_SMALL", "hold")
    told = "^STAYRANK_BATCH__WEHN_SMALL in the environment: .*did you mean 'when_small'"
    with pytest.raises(SettingsError, match=told):
        load_settings()


def test_models_sections_say_file_line_range_and_what_was_meant(tmp_path: Path) -> None:
    file = tmp_path / "stayrank.toml"
    file.write_text("[gate]\nndcg_loss = -0.1\n[monitoring]\npsy = 1\n")
    settings = load_settings(file)
    with pytest.raises(SettingsError, match=r"line 2: .*ndcg_loss = -0.1: must be at least 0"):
        gate_config(settings)
    with pytest.raises(SettingsError, match=r"line 4: .*psy is not known .did you mean 'psi'"):
        monitoring_config(settings)
    assert settings.model_copy().written == settings.written


def test_section_that_moved_is_refused_with_where_it_is_now(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "stayrank.toml"
    file.write_text("[funnel]\nmax_rounds = 10\n")
    with pytest.raises(SettingsError, match=r"setting funnel: .* write its settings as \[ranker\]"):
        load_settings(file)
    monkeypatch.setenv("STAYRANK_FUNNEL__MAX_ROUNDS", "10")
    with pytest.raises(SettingsError, match=r"STAYRANK_FUNNEL__MAX_ROUNDS .* as \[ranker\]"):
        load_settings()


@pytest.mark.parametrize("name", ["SERVICE_HOST", "HOME", "SECRETS", "SERVICE_FILE"])
def test_variables_of_other_programs_change_no_setting(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    without = load_settings().model_dump()
    monkeypatch.setenv(f"STAYRANK_{name}", "1")
    assert load_settings().model_dump() == without

"""What the containers promise, as far as files can show it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

DOCKER = Path(__file__).parents[2] / "docker"
BIN = Path(sys.executable).parent


def _checked(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def compose() -> dict[str, dict]:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    done = _checked(str(BIN / "hadolint"), str(DOCKER / "Dockerfile"))
    assert (done.returncode, done.stdout) == (0, "")


def test_compose_follows_its_schema() -> None:
    schema = ("--builtin-schema", "vendor.compose-spec")
    done = _checked(str(BIN / "check-jsonschema"), *schema, str(DOCKER / "compose.yaml"))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", ["entrypoint", "make_secrets", "backup", "restore"])
def test_scripts_parse(script: str) -> None:
    assert _checked("sh", "-n", str(DOCKER / f"{script}.sh")).returncode == 0


def test_the_image_is_pinned_and_runs_as_nobody_in_particular() -> None:
    lines = (DOCKER / "Dockerfile").read_text().splitlines()
    (python,) = [line for line in lines if line.startswith("ARG PYTHON=")]
    assert python.count(".") == 2, "the base image is pinned to a patch release"
    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER 10001:10001"]
    assert any(line.startswith("HEALTHCHECK") for line in lines)


def test_every_port_is_on_loopback_unless_told_otherwise(compose: dict[str, dict]) -> None:
    ports = [p for service in compose["services"].values() for p in service.get("ports", [])]
    assert len(ports) == 2
    assert all(port.startswith("${STAYRANK_BIND:-127.0.0.1}:") for port in ports)


def test_every_service_has_a_health_check_and_a_pinned_image(compose: dict[str, dict]) -> None:
    for name, service in compose["services"].items():
        assert "test" in service["healthcheck"], name
        assert not service["image"].endswith(":latest"), name
        assert ":" in service["image"], name


def test_secrets_come_from_files_and_none_is_written_down(compose: dict[str, dict]) -> None:
    assert all(set(secret) == {"file"} for secret in compose["secrets"].values())
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if any(word in name for word in ("PASSWORD", "KEY", "WEBHOOK")):
                assert name.endswith("_FILE"), name
                assert value.startswith("/run/secrets/")


def test_mlflow_has_allowed_hosts_and_no_job_processes(compose: dict[str, dict]) -> None:
    environment = compose["services"]["mlflow"]["environment"]
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert "127.0.0.1:5000" in environment["MLFLOW_SERVER_ALLOWED_HOSTS"]


@pytest.mark.parametrize(
    ("settings", "is_on"),
    [
        ({}, False),
        ({"STAYRANK_BIND": "127.0.0.1"}, False),
        ({"STAYRANK_BIND": "0.0.0.0"}, True),  # noqa: S104  # what is tested
        ({"STAYRANK_BIND": "0.0.0.0", "MLFLOW_AUTH": "off"}, False),  # noqa: S104
        ({"MLFLOW_AUTH": "on"}, True),
    ],
)
def test_mlflow_asks_for_a_password_where_it_is_exposed(
    tmp_path: Path, settings: dict[str, str], is_on: bool
) -> None:
    (tmp_path / "mlflow").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "mlflow").chmod(0o755)
    environment = {**settings, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", str(DOCKER / "entrypoint.sh"), "mlflow-server"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("--app-name basic-auth" in done.stdout) is is_on


def test_the_entrypoint_reads_secrets_from_files(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("planted\n")
    environment = {
        "PATH": os.environ["PATH"],
        "STAYRANK_PSEUDONYM_KEY_FILE": str(secret),
        "POSTGRES_PASSWORD_FILE": str(secret),
    }
    done = subprocess.run(
        ["sh", str(DOCKER / "entrypoint.sh"), "env"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "STAYRANK_PSEUDONYM_KEY=planted" in done.stdout
    assert "postgresql+psycopg2://stayrank:planted@postgres:5432/mlflow" in done.stdout


@pytest.mark.parametrize("name", ["STAYRANK_PSEUDONYM_KEY", "POSTGRES_PASSWORD"])
def test_the_entrypoint_starts_nothing_without_a_secret_that_is_named(
    tmp_path: Path, name: str
) -> None:
    missing = tmp_path / "missing"
    done = subprocess.run(
        ["sh", str(DOCKER / "entrypoint.sh"), "env"],
        env={"PATH": os.environ["PATH"], f"{name}_FILE": str(missing)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{name}_FILE: the file {missing}" in done.stderr


def test_a_home_that_is_restored_is_the_home_that_was_backed_up(tmp_path: Path) -> None:
    home, archive, back = tmp_path / "home", tmp_path / "home.tar.gz", tmp_path / "back"
    (home / "lake" / "impressions").mkdir(parents=True)
    (home / "lake" / "impressions" / "part").write_bytes(os.urandom(100))
    (home / "published.json").write_text("{}")
    made = _checked("sh", str(DOCKER / "backup.sh"), str(home), str(archive))
    assert made.returncode == 0, made.stderr
    assert _checked("sh", str(DOCKER / "restore.sh"), str(archive), str(back)).returncode == 0
    for name in ("lake/impressions/part", "published.json"):
        assert (back / name).read_bytes() == (home / name).read_bytes()
    again = _checked("sh", str(DOCKER / "restore.sh"), str(archive), str(back))
    assert (again.returncode, "move it away first" in again.stderr) == (1, True)


def test_the_deployments_are_on_the_clock_of_sao_paulo() -> None:
    declared = yaml.safe_load((DOCKER.parent / "prefect.yaml").read_text())["deployments"]
    clocks = {d["name"]: [s["timezone"] for s in d["schedules"]] for d in declared}
    assert clocks == {
        "daily": ["America/Sao_Paulo"],
        "weekly": ["America/Sao_Paulo"],
        "backfill": [],
    }
    queues = {d["name"]: d["work_pool"]["work_queue_name"] for d in declared}
    assert queues["backfill"] == "backfill"
    for deployment in declared:
        file, _, flow = deployment["entrypoint"].partition(":")
        assert f"def {flow}(" in (DOCKER.parent / file).read_text()


def test_the_automations_are_what_prefect_takes() -> None:
    from prefect.events.schemas.automations import AutomationCore

    declared = yaml.safe_load((DOCKER / "automation.yaml").read_text())["automations"]
    automations = [AutomationCore.model_validate(one) for one in declared]
    assert [one.trigger.posture.value for one in automations] == ["Reactive", "Proactive"]

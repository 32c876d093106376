"""What the containers promise, as far as files can show it."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

DOCKER = Path(__file__).parents[2] / "docker"
BIN = Path(sys.executable).parent
# Every character that means something in an address, in an ini file or in a shell.
ODD = "p@s/s:w%rd?#&=[] '\"$x\\;"


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


def test_images_are_named_by_their_digest(compose: dict[str, dict]) -> None:
    digest = re.compile(r"@sha256:[0-9a-f]{64}$")
    lines = (DOCKER / "Dockerfile").read_text().splitlines()
    (python,) = [line for line in lines if line.startswith("ARG PYTHON=")]
    assert digest.search(python)
    assert not [line for line in lines if line.startswith("# syntax=")], "it is an image too"
    for name, service in compose["services"].items():
        # Our own image is built here.
        assert "build" in service or digest.search(service["image"]), name


def locked(name: str) -> dict[str, list[str]]:
    """Package and version of a lock, each with its hashes."""
    found: dict[str, list[str]] = {}
    for line in (DOCKER / name).read_text().splitlines():
        if hashed := re.match(r" +--hash=sha256:([0-9a-f]{64})( \\)?$", line):
            found[list(found)[-1]].append(hashed[1])
        else:
            package = re.match(r"([A-Za-z0-9._-]+==\S+) \\$", line)
            assert package is not None, line
            found[package[1]] = []
    return found


@pytest.mark.parametrize("name", ["requirements.lock", "build.lock"])
def test_every_file_of_the_image_is_named_by_its_hash(name: str) -> None:
    packages = locked(name)
    assert packages
    assert all(packages.values())
    line = f"--require-hashes --no-deps -r docker/{name}"
    installs = (DOCKER / "Dockerfile").read_text().replace(" --no-build-isolation", "")
    assert line in installs


def test_the_image_has_the_versions_that_were_tried() -> None:
    def named(line: str) -> tuple[str, str]:
        package, _, version = line.partition("==")
        return re.sub(r"[-_.]+", "-", package).lower(), version

    tried = (DOCKER.parent / "requirements.lock").read_text().splitlines()
    versions = dict(named(line) for line in tried if "==" in line and not line.startswith("#"))
    image = dict(map(named, locked("requirements.lock")))
    other = {package: version for package, version in image.items() if package in versions}
    assert other == {package: versions[package] for package in other}
    assert image.keys() - versions.keys() == set()
    project = tomllib.loads((DOCKER.parent / "pyproject.toml").read_text())
    wanted = project["project"]["dependencies"]
    wanted = [*wanted, *project["project"]["optional-dependencies"]["postgres"]]
    names = {named(re.split(r"[<>=~!\[;, ]", one)[0])[0] for one in wanted} - {"torch"}
    assert names <= image.keys()
    # What builds the image, and what builds an editable install, is one version.
    assert project["build-system"]["requires"][0] in locked("build.lock")


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


def test_the_inbox_belongs_to_the_user_of_the_worker(compose: dict[str, dict]) -> None:
    inbox = compose["services"]["worker"]["volumes"][1]
    assert inbox["target"] == "/stayrank/home/inbox"
    # Docker would make it as root.
    assert inbox["bind"] == {"create_host_path": False}
    for name in ("prefect", "mlflow", "worker"):
        assert compose["services"][name]["user"] == "${STAYRANK_UID:-10001}:10001"
    dockerfile = (DOCKER / "Dockerfile").read_text()
    assert "install -d -m 2770 -o stayrank -g stayrank /stayrank/home" in dockerfile
    assert "HOME=/home/stayrank" in dockerfile


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """What ``make_secrets.sh`` makes, in a folder of its own."""
    done = _checked("sh", str(DOCKER / "make_secrets.sh"), str(tmp_path))
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_secrets_are_their_owners_alone(made: Path) -> None:
    assert stat.S_IMODE((made / "secrets").stat().st_mode) == 0o700
    for file in (made / "secrets").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    owner = 10001 if os.getuid() == 0 else os.getuid()
    for path in (made / "secrets" / "postgres_password", made / "inbox"):
        assert path.stat().st_uid == owner
    if os.getuid():
        assert (made / ".env").read_text() == f"STAYRANK_UID={owner}\n"


def test_secrets_that_are_there_stay_and_close(made: Path) -> None:
    webhook = made / "secrets" / "webhook"
    webhook.write_text("https://hook/x\n")
    webhook.chmod(0o444)
    before = (made / "secrets" / "postgres_password").read_text()
    assert _checked("sh", str(DOCKER / "make_secrets.sh"), str(made)).returncode == 0
    assert webhook.read_text() == "https://hook/x\n"
    assert stat.S_IMODE(webhook.stat().st_mode) == 0o600
    assert (made / "secrets" / "postgres_password").read_text() == before


def test_a_password_of_any_letters_comes_through_mlflows_file(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    for name in ("postgres_password", "mlflow_password"):
        (tmp_path / "secrets" / name).write_text(f"{ODD}\n")
    assert _checked("sh", str(DOCKER / "make_secrets.sh"), str(tmp_path)).returncode == 0
    written = configparser.ConfigParser()
    written.read(tmp_path / "secrets" / "mlflow_auth.ini")
    address = urlsplit(written["mlflow"]["database_uri"])
    assert (address.hostname, address.path) == ("postgres", "/mlflow_auth")
    assert unquote(address.password or "") == ODD
    assert written["mlflow"]["admin_password"] == ODD


def entrypoint(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(DOCKER / "entrypoint.sh"), *words],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_passwords_are_encoded_in_the_databases_addresses(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(f"{ODD}\n")
    done = entrypoint("env", POSTGRES_PASSWORD_FILE=str(secret))
    assert done.returncode == 0, done.stderr
    told = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    for name, path in (
        ("PREFECT_API_DATABASE_CONNECTION_URL", "/prefect"),
        ("MLFLOW_BACKEND_STORE_URI", "/mlflow"),
    ):
        address = urlsplit(told[name])
        assert (address.username, address.hostname, address.port) == ("stayrank", "postgres", 5432)
        assert (unquote(address.password or ""), address.path) == (ODD, path)


@pytest.mark.parametrize(
    "name", ["POSTGRES_PASSWORD", "STAYRANK_WEBHOOK", "MLFLOW_TRACKING_PASSWORD"]
)
@pytest.mark.parametrize("problem", ["missing", "a folder", "empty"])
def test_a_secret_that_cannot_be_read_is_refused_by_name(
    tmp_path: Path, name: str, problem: str
) -> None:
    file = tmp_path / "secret"
    if problem == "a folder":
        file.mkdir()
    elif problem == "empty":
        file.touch()
    done = entrypoint("env", **{f"{name}_FILE": str(file)})
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{name}_FILE: the file {file} is " in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="another user is needed that may not read the file")
def test_a_secret_of_another_owner_is_refused(tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    secret = folder / "secret"
    secret.write_text("planted")
    secret.chmod(0o600)
    script = folder / "entrypoint.sh"
    script.write_text((DOCKER / "entrypoint.sh").read_text())
    script.chmod(0o755)
    nobody = ("setpriv", "--reuid=10001", "--regid=10001", "--clear-groups")
    done = subprocess.run(
        [*nobody, "sh", str(script), "env"],
        env={"PATH": os.environ["PATH"], "STAYRANK_WEBHOOK_FILE": str(secret)},
        capture_output=True,
        text=True,
        check=False,
    )
    shutil.rmtree(folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be read by user 10001" in done.stderr


def test_an_inbox_that_the_worker_cannot_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox").chmod(0o555)
    if os.getuid() == 0:
        pytest.skip("root may write everywhere")
    done = entrypoint("worker", STAYRANK_HOME=str(tmp_path))
    assert done.returncode == 2
    assert f"cannot write into {tmp_path}/inbox" in done.stderr


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

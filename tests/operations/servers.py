"""The topology of docker/compose.yaml as processes: PostgreSQL, Prefect, MLflow, a worker.

Each is started through ``docker/entrypoint.sh``, as in its container, but on free ports of
loopback. PostgreSQL does not run as root: there it is given to the user ``postgres``.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Topology", "free_port", "postgres_binaries", "topology"]

REPOSITORY = Path(__file__).parents[2]
SECONDS_TO_START = 180.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def postgres_binaries() -> Path | None:
    """Where Debian, or the path, keeps ``initdb``; ``None`` without PostgreSQL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=str)
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(on_path).parent if on_path else None


@dataclass
class Server:
    """One process, which can be stopped, killed and started again with the same settings."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    health: str = ""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                cwd=REPOSITORY,
                start_new_session=True,
            )
        if self.health:
            self.wait()

    def wait(self) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            try:
                with urllib.request.urlopen(self.health, timeout=2):  # noqa: S310
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.3)
        raise AssertionError(f"{self.name} did not answer: {self.log.read_text()[-3000:]}")

    def stop(self, kind: int = signal.SIGTERM) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        os.killpg(self.process.pid, kind)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)


@dataclass
class Postgres:
    """A cluster of its own in a folder of its own."""

    binaries: Path
    folder: Path
    port: int = field(default_factory=free_port)
    # With what means something in an address: the containers encode it.
    password: str = field(default_factory=lambda: f"p@s/s:w%rd?#&{secrets.token_hex(8)}")

    def make(self) -> None:
        words = self.folder / "password"
        words.write_text(self.password)
        if os.getuid() == 0:
            for path in (self.folder, words):
                shutil.chown(path, "postgres", "postgres")
        data = ["-D", str(self.folder / "data"), "-U", "stayrank", "-E", "UTF8"]
        self._run("initdb", *data, "-A", "scram-sha-256", f"--pwfile={words}")
        self.start()
        for name in ("prefect", "mlflow"):
            self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "stayrank", name)

    def start(self) -> None:
        settings = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder}"
        self._control("start", "-l", str(self.folder / "log"), "-o", settings)

    def restart(self) -> None:
        """Stop at once, as a crash of the machine would, and come back."""
        self._control("stop", "-m", "immediate")
        self.start()

    def stop(self) -> None:
        self._control("stop", "-m", "fast")

    def _control(self, *words: str) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-t", "60", *words)

    def _run(self, program: str, *words: str) -> None:
        other = []
        if os.getuid() == 0:
            other = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        done = subprocess.run(
            [*other, str(self.binaries / program), *words],
            env={"PATH": os.environ["PATH"], "PGPASSWORD": self.password, "LC_ALL": "C.UTF-8"},
            # A file, not a pipe: the server that pg_ctl leaves behind would hold it open.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{program} {words}: see {self.folder}/log"


@dataclass
class Topology:
    """What was started, and where it answers."""

    postgres: Postgres
    prefect: Server
    mlflow: Server
    worker: Server
    prefect_url: str
    mlflow_url: str
    home: Path


def can_run_postgres() -> bool:
    """Whether there is a PostgreSQL, and a user to run it as."""
    if postgres_binaries() is None:
        return False
    if os.getuid() != 0:
        return True
    return any(user.pw_name == "postgres" for user in pwd.getpwall())


@contextmanager
def topology(home: Path, settings: dict[str, str]) -> Iterator[Topology]:
    """Everything up, with ``settings`` in the worker's environment; all gone afterwards."""
    binaries = postgres_binaries()
    assert binaries is not None
    # Not pytest's own folder: PostgreSQL's user may not enter it.
    folder = Path(tempfile.mkdtemp(prefix="stayrank-servers-"))
    folder.chmod(0o755)
    (folder / "postgres").mkdir()
    postgres = Postgres(binaries, folder / "postgres")
    made: list[Server] = []
    try:
        postgres.make()
        made = _servers(folder, home, postgres, settings)
        for server in made:
            server.start()
        prefect, mlflow, worker = made
        urls = [server.health.removesuffix("/health") for server in (prefect, mlflow)]
        yield Topology(postgres, prefect, mlflow, worker, *urls, home)
    finally:
        for server in reversed(made):
            server.stop()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _servers(
    folder: Path, home: Path, postgres: Postgres, settings: dict[str, str]
) -> list[Server]:
    prefect, mlflow, worker = free_port(), free_port(), free_port()
    secret = folder / "postgres_password"
    secret.write_text(postgres.password)
    own = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "LISTEN": "127.0.0.1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
    }
    database = {
        "POSTGRES_PASSWORD_FILE": str(secret),
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": str(postgres.port),
    }
    entrypoint = str(REPOSITORY / "docker" / "entrypoint.sh")
    api = f"http://127.0.0.1:{prefect}/api"
    served = f"http://127.0.0.1:{mlflow}"
    return [
        Server(
            "Prefect",
            ["sh", entrypoint, "prefect-server"],
            {
                **own,
                **database,
                "PREFECT_HOME": str(folder / "prefect"),
                "PREFECT_SERVER_API_PORT": str(prefect),
                "PREFECT_API_URL": api,
                "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "3",
            },
            folder / "prefect.log",
            f"{api}/health",
        ),
        Server(
            "MLflow",
            ["sh", entrypoint, "mlflow-server"],
            {
                **own,
                **database,
                "MLFLOW_PORT": str(mlflow),
                "MLFLOW_WORKERS": "1",
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                "MLFLOW_SERVER_ALLOWED_HOSTS": f"127.0.0.1,127.0.0.1:{mlflow}",
                "MLFLOW_ARTIFACTS_DESTINATION": str(folder / "artifacts"),
            },
            folder / "mlflow.log",
            f"{served}/health",
        ),
        Server(
            "worker",
            ["sh", entrypoint, "worker"],
            {
                **own,
                **settings,
                "PREFECT_HOME": str(folder / "worker"),
                "PREFECT_API_URL": api,
                "PREFECT_WORKER_QUERY_SECONDS": "2",
                "PREFECT_WORKER_WEBSERVER_PORT": str(worker),
                "STAYRANK_HOME": str(home),
                "STAYRANK_CHECKOUT": str(REPOSITORY),
                "STAYRANK_TRACKING_URI": served,
            },
            folder / "worker.log",
            f"http://127.0.0.1:{worker}/health",
        ),
    ]

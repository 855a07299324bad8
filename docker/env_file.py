"""`.env`: what the containers read, written by the first `make up` with secrets of its own."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

PORTS = {
    "AIRFLOW_PORT": 8080,
    "GRAFANA_PORT": 3000,
    "PROMETHEUS_PORT": 9090,
    "ALERTMANAGER_PORT": 9093,
    "POSTGRES_PORT": 5432,
    "MOCK_APIS_PORT": 8000,
    "WEBHOOKS_PORT": 8070,
    "REPORTS_PORT": 8060,
}

# The stack's own secrets.
STACK = """\
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
"""
ENV_TEMPLATE = (
    STACK
    + """
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
)


def filled(template: str) -> str:
    """The template with a new secret in each place."""
    text = template.replace("{sftp}", secrets.token_hex(24))  # one login of the pretend shop's
    while "{word}" in text:
        text = text.replace("{word}", secrets.token_hex(24), 1)
    fernet = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    ports = "\n".join(f"{name}={port}" for name, port in PORTS.items())
    return text.replace("{fernet}", fernet).replace("{ports}", ports)


def write_env(path: Path) -> None:
    """Readable by its owner only; written beside and renamed, so never half-made."""
    _write(path, filled(ENV_TEMPLATE))


def add_new_secrets(path: Path) -> list[str]:
    """Give an older .env the secrets of the stack that a newer version has; their names. All else is left alone."""
    text = path.read_text()
    there = {line.partition("=")[0].strip() for line in text.splitlines()}
    lines = [line for line in filled(STACK).splitlines() if "=" in line and line.partition("=")[0] not in there]
    if lines:
        _write(path, text.rstrip("\n") + "\n\n" + "\n".join(lines) + "\n")
    return [line.partition("=")[0] for line in lines]


def read_env(path: Path) -> dict[str, str]:
    """The settings of .env, where the environment does not say otherwise (Compose reads them in the same order)."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    settings = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name: os.environ.get(name, value) for name, value in settings.items()}


def _write(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.part")
    part.touch(mode=0o600)
    part.write_text(text)
    part.rename(path)

"""The pretend shop as a process: start it, wait for it, move its clock."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import requests

from local.postgres import free_port
from settings import HeadwaterError


class Shop:
    """The mock APIs on free ports of 127.0.0.1; `options` are those of `python -m mock_apis serve`.

    `app_database` is where its own app keeps its tables: a URL of the server's owner. `live`: a day passes in the
    shop with each real day.
    """

    def __init__(
        self, state: Path, options: dict[str, str], known: dict[str, str], app_database: str, live: bool = False
    ):
        self.port, self.sftp_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._state, self._options, self._known, self._live = state, options, known, live
        self._app_database = app_database

    @property
    def command(self) -> list[str]:
        options = {
            **{"--host": "127.0.0.1", "--port": str(self.port), "--sftp-port": str(self.sftp_port)},
            **{"--state": str(self._state), "--kafka": "own", **self._options},
        }
        words = [word for pair in options.items() for word in pair] + (["--live"] if self._live else [])
        return [sys.executable, "-m", "mock_apis", "serve", *words]

    @property
    def keys(self) -> dict[str, str]:
        """What its process needs to know: the keys that it accepts."""
        return {
            "MOCK_SHOPIFY_TOKEN": self._known["shopify"],
            "MOCK_STRIPE_KEY": self._known["stripe"],
            "MOCK_SFTP_PASSWORD": self._known["sftp"],
            "MOCK_APP_DATABASE_URL": self._app_database,
            "MOCK_APP_READER_PASSWORD": self._known["app_reader"],
            "MOCK_S3_SECRET": self._known["s3"],
        }

    def sources_env(self) -> dict[str, str]:
        """Addresses and keys in the names that ingestion reads; the shop must answer already."""
        host_key = self.admin("GET", "sftp_host_key").text.strip()
        return {
            "SHOPIFY_API_URL": f"{self.url}/shopify",
            "SHOPIFY_ACCESS_TOKEN": self._known["shopify"],
            "STRIPE_API_URL": f"{self.url}/stripe",
            "STRIPE_API_KEY": self._known["stripe"],
            "EMAIL_SFTP_URL": f"sftp://email@127.0.0.1:{self.sftp_port}/",
            "EMAIL_SFTP_PASSWORD": self._known["sftp"],
            "APP_DATABASE_URL": self._reader_url,
            "EMAIL_SFTP_HOST_KEY": host_key,
            "UPLOADS_FOLDER_URL": f"sftp://email@127.0.0.1:{self.sftp_port}/uploads",
            "UPLOADS_SFTP_PASSWORD": self._known["sftp"],
            "UPLOADS_SFTP_HOST_KEY": host_key,
            "GA_S3_URL": "s3://analytics/ga4",
            "GA_S3_ENDPOINT_URL": f"{self.url}/s3",
            "STOCK_KAFKA_BOOTSTRAP_SERVERS": self.admin("GET", "kafka").text,
            "AWS_ACCESS_KEY_ID": "AKIADEMO",
            "AWS_SECRET_ACCESS_KEY": self._known["s3"],
            "AWS_REGION": "eu-central-1",
        }

    @property
    def _reader_url(self) -> str:
        server = self._app_database.rpartition("@")[2]
        return f"postgresql://app_reader:{self._known['app_reader']}@{server}"

    def answers(self) -> bool:
        try:
            return self.admin("GET", "health", timeout=2).ok
        except requests.RequestException:
            return False

    def admin(self, method: str, path: str, timeout: float = 120, **arguments: Any) -> requests.Response:
        """One call to /_admin (health, clock, advance, truth, faults, sftp_host_key)."""
        with requests.Session() as session:
            session.trust_env = False  # a proxy of the user's is not for 127.0.0.1
            return session.request(method, f"{self.url}/_admin/{path}", timeout=timeout, **arguments)

    def advance(self, days: int = 1) -> None:
        answer = self.admin("POST", "advance", json={"days": days})
        if not answer.ok:
            raise HeadwaterError(
                f"The pretend shop's clock could not be moved: {answer.status_code} {answer.text[:200]}"
            )

"""The receiver of webhooks as a process, and what it and the pretend shop must agree on."""

from __future__ import annotations

import secrets
import sys

import requests

from local.postgres import free_port
from local.services import Services

SENDERS = ("stripe", "shopify")
START_SECONDS = 60.0


class Receiver:
    """On a free port of 127.0.0.1, with secrets of this start: what the shop has not sent it forgets at its end.

    When it is not `wanted`, nothing is started and the shop sends nothing.
    """

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/webhooks"
        self._secrets = {sender.upper(): secrets.token_urlsafe(24) for sender in SENDERS}

    @property
    def address(self) -> dict[str, str]:
        return {"webhooks": self.url} if self._wanted else {}

    def start(self, services: Services, env: dict[str, str]) -> None:
        """Start it and wait until it answers; raises HeadwaterError with its log when it does not."""
        if self._wanted:
            services.start("webhooks", self.command, {**env, **self.env})
            services.until(self.answers, START_SECONDS, "webhooks")

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "ingestion", "webhooks", "--port", str(self.port)]

    @property
    def env(self) -> dict[str, str]:
        return {f"{sender}_WEBHOOK_SECRET": secret for sender, secret in self._secrets.items()}

    @property
    def shop_env(self) -> dict[str, str]:
        """For the pretend shop: where to send, and what to sign with."""
        if not self._wanted:
            return {}
        return {
            **{f"MOCK_{sender}_WEBHOOK_SECRET": secret for sender, secret in self._secrets.items()},
            **{f"MOCK_{sender.upper()}_WEBHOOK_URL": f"{self.url}/{sender}" for sender in SENDERS},
        }

    def answers(self) -> bool:
        try:
            with requests.Session() as session:
                session.trust_env = False
                return session.get(f"http://127.0.0.1:{self.port}/health", timeout=2).ok
        except requests.RequestException:
            return False

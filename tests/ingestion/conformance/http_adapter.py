"""Sources behind HTTP: a server of the test's own, whose answers the adapter makes."""

from __future__ import annotations

import threading
from abc import abstractmethod
from dataclasses import replace
from email.utils import format_datetime
from typing import ClassVar

import pytest

from tests.ingestion.conformance.adapter import Adapter
from tests.ingestion.scripted import Answer, Asked, Scripted

RESET = Answer(reset=True)
REFUSED = Answer(b'{"error": {"message": "who are you?"}}', 401)
TOO_MANY = Answer(b'{"error": {"message": "slow down"}}', 429, {"Retry-After": "0"})


class HttpAdapter(Adapter):
    """`answer` makes the body of a good answer; `address` is the setting that its URL is given in."""

    address: str
    key_value = "a-key-of-the-tests"
    before_answers: ClassVar[bool] = True
    """Whether what stands before it all stands before its answers, and not within them."""

    def __init__(self, patch: pytest.MonkeyPatch):
        super().__init__()
        self._lock = threading.Lock()
        self.server = Scripted()
        self.server.then = self._answered
        patch.setenv(self.address, self.server.url)
        patch.setenv(self.credential, self.key_value)

    @abstractmethod
    def answer(self, asked: Asked) -> Answer:
        """The answer to a request that is not to fail."""

    def close(self) -> None:
        self.server.close()

    def _answered(self, asked: Asked) -> Answer:
        with self._lock:
            kind = self.failing()
            self.server.date = format_datetime(self.now, usegmt=True)
            if kind:
                return {"auth": self.refused(), "rate limit": self.too_many(), "reset": RESET}[kind]
            good = self.answer(asked)
            return replace(good, body=self.before_all + good.body) if self.before_answers else good

    def refused(self) -> Answer:
        return REFUSED

    def too_many(self) -> Answer:
        return TOO_MANY

"""Signs deliveries and sends them, as real senders do: out of order, now and then twice, and again until taken."""

from __future__ import annotations

import base64
import hashlib
import heapq
import hmac
import http.client
import random
import threading
import time
import urllib.request
from collections.abc import Mapping
from datetime import datetime
from itertools import count
from typing import NamedTuple
from urllib.error import HTTPError

from mock_apis.webhooks import deliveries
from mock_apis.webhooks.deliveries import Delivery
from mock_apis.world.world import World

TWICE_SHARE = 0.1
TRIES = 20
LONGEST_PAUSE_SECONDS = 30.0
ANSWER_SECONDS = 5.0


class Target(NamedTuple):
    """Where a sender's webhooks go, and the secret that signs them."""

    url: str
    secret: str


class WebhookSender:
    """`targets` by sender ("stripe", "shopify"). Real senders try for days; this one gives up after minutes."""

    def __init__(self, targets: Mapping[str, Target], seed: int = 1, pause_seconds: float = 0.5):
        self._targets, self._pause = targets, pause_seconds
        self._random = random.Random(seed)
        self._queue: list[tuple[float, int, int, Delivery]] = []  # due, number, tries so far
        self._numbers = count()
        self._changed = threading.Condition()
        self._ended = False
        self._busy = 0
        self._delivered = self._given_up = 0
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> WebhookSender:
        self._thread.start()
        return self

    def stop(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join(ANSWER_SECONDS + 1)

    def tell(self, world: World, since: datetime) -> None:
        """Queue what happened after `since`; called with the world's lock held."""
        batch: list[Delivery] = []
        for name, what in (("stripe", deliveries.stripe), ("shopify", deliveries.shopify)):
            if name in self._targets:
                batch += what(world, since)
        batch += [each for each in batch if self._random.random() < TWICE_SHARE]
        self._random.shuffle(batch)
        with self._changed:
            for each in batch:
                heapq.heappush(self._queue, (0.0, next(self._numbers), 0, each))
            self._changed.notify_all()

    def counts(self) -> dict[str, int]:
        """Deliveries still to be taken, taken, and given up."""
        with self._changed:
            return {
                "pending": len(self._queue) + self._busy,
                "delivered": self._delivered,
                "given_up": self._given_up,
            }

    def _run(self) -> None:
        while (found := self._next()) is not None:
            tries, delivery = found
            taken = self._send(delivery)
            with self._changed:
                self._busy = 0
                if taken:
                    self._delivered += 1
                elif tries + 1 >= TRIES:
                    self._given_up += 1
                else:
                    pause = min(LONGEST_PAUSE_SECONDS, self._pause * 2**tries)
                    heapq.heappush(self._queue, (time.monotonic() + pause, next(self._numbers), tries + 1, delivery))

    def _next(self) -> tuple[int, Delivery] | None:
        with self._changed:
            while not self._ended:
                now = time.monotonic()
                if self._queue and self._queue[0][0] <= now:
                    _, _, tries, delivery = heapq.heappop(self._queue)
                    self._busy = 1
                    return tries, delivery
                self._changed.wait(self._queue[0][0] - now if self._queue else None)
        return None

    def _send(self, delivery: Delivery) -> bool:
        target = self._targets[delivery.target]
        signature = signed(delivery.target, delivery.body, target.secret, int(time.time()))
        headers = {"Content-Type": "application/json; charset=utf-8", **delivery.headers, **signature}
        request = urllib.request.Request(target.url, delivery.body, headers, method="POST")
        try:
            with self._opener.open(request, timeout=ANSWER_SECONDS) as answer:
                return 200 <= answer.status < 300
        except (HTTPError, OSError, http.client.HTTPException):
            return False


def signed(sender: str, body: bytes, secret: str, now: int) -> dict[str, str]:
    """The header that proves who sent the body."""
    if sender == "stripe":
        digest = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
        return {"Stripe-Signature": f"t={now},v1={digest}"}
    digest = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    return {"X-Shopify-Hmac-Sha256": digest}

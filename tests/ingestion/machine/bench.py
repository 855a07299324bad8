"""What all lives of a test share: the source, the warehouse, the receiver, and a contract that may be changed."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from starlette.testclient import TestClient

from ingestion import http as http_module
from ingestion import sync as sync_module
from ingestion.sources import stripe
from ingestion.webhooks import apply as apply_module
from ingestion.webhooks.receiver import create_app
from ingestion.webhooks.senders import inboxes
from ingestion.webhooks.tally import Tally
from settings import Pipeline
from tests.ingestion.conftest import SHOP
from tests.ingestion.machine.customers import Customers
from tests.ingestion.machine.found import Warehouse
from tests.ingestion.machine.seams import Seams
from warehouse import writer as writer_module

SOURCE, STREAM, SECRET = "stripe", "customers", "whsec_of_the_machine"
PIPELINE = {
    "schedule": "0 2 * * *",
    "freshness": "26h",
    "lookback": "1h",
    "http": {"attempts": 3, "timeout": "20s", "deadline": "60s"},
    "options": {"refetch_workers": 1},
    "streams": {STREAM: {}},
}
# What a contract refuses, and the change to ingestion/contracts/stripe/customers.json that makes it do so.
Contract = Literal["as it is", "no Bo", "with email"]
STRICTER: dict[Contract, dict[str, Any]] = {
    "as it is": {},
    "no Bo": {"name": {"type": "string", "not": {"const": "Bo"}}},
    "with email": {"email": {"type": "string"}},
}


class InOrder:
    """Reads a page when it is asked for one, not ahead: an example must go the same way whenever it is played."""

    def __init__(self, items: Iterator[Any], name: str):
        self._items = items

    def __iter__(self) -> Iterator[Any]:
        return self._items

    def stop(self) -> None:
        return None


class Bench:
    """What all examples of one test share: the server, the warehouse, the receiver, a contract that may be changed."""

    def __init__(self, url: str, folder: Path, patch: pytest.MonkeyPatch):
        self.pipeline = Pipeline.model_validate({**SHOP, "sources": {SOURCE: PIPELINE}})
        self.source = Customers()
        patch.setenv("STRIPE_API_URL", self.source.server.url)
        patch.setenv("STRIPE_API_KEY", "sk_test_of_the_machine")
        patch.setenv("STRIPE_WEBHOOK_SECRET", SECRET)
        given = Path(stripe.__file__).parent.parent / "contracts" / SOURCE
        shutil.copytree(given, folder / "contracts" / SOURCE)
        patch.setattr(stripe, "__file__", str(folder / "sources" / "stripe.py"))
        self._contract = folder / "contracts" / SOURCE / f"{STREAM}.json"
        self._as_it_is = json.loads(self._contract.read_text())
        patch.setattr(http_module, "BACKOFF_SECONDS", 0.001)
        patch.setattr(apply_module, "BREATHER_SECONDS", 0.0)
        quick = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: time.sleep(min(seconds, 0.01)))
        patch.setattr(writer_module, "time", quick)
        patch.setattr(sync_module, "ReadAhead", InOrder)
        self.warehouse = Warehouse(url, SOURCE, STREAM)
        self.seams = Seams(patch)
        boxes = inboxes(self.pipeline)
        self.client = TestClient(create_app(boxes, tally=Tally(boxes), url=url, stored=lambda: None))

    def close(self) -> None:
        self.warehouse.close()
        self.source.server.close()

    def contract(self, name: Contract) -> None:
        """From now on this one holds."""
        self._holds = name
        changed = {**self._as_it_is, "properties": {**self._as_it_is["properties"], **STRICTER[name]}}
        self._contract.write_text(json.dumps(changed))

    def refuses(self, data: bytes) -> bool:
        """What the contract of the moment refuses, told without it."""
        customer = json.loads(data)
        if customer.get("deleted") or self._holds == "as it is":
            return False
        return customer["name"] == "Bo" if self._holds == "no Bo" else customer["email"] is None

    def post(self, body: bytes, secret: str = SECRET) -> int:
        """Deliver an event that was signed with `secret`; the receiver's answer."""
        now = int(time.time())
        digest = hmac.new(secret.encode(), b"%d." % now + body, hashlib.sha256).hexdigest()
        headers = {"Stripe-Signature": f"t={now},v1={digest}", "Content-Type": "application/json"}
        return self.client.post("/webhooks/stripe", content=body, headers=headers).status_code

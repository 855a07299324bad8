"""Stripe: charges, refunds, disputes, payouts and customers by their events; balance transactions by listing them.

Stripe lists objects by when they were created and cannot say which have changed. So the first run lists everything,
and later runs follow /v1/events: each object that an event of the window tells of is fetched as it is now. Its version
is the time of its newest event in the window (on a page of events); for the first list it is `created`. The window
ends 60 s behind Stripe's clock and overlaps the last one by the lookback, so the state that was fetched includes
every event of its window, and a change that was fetched before its event was due comes again with a newer version.
Events come newest first. An object with events on two pages is fetched twice, and the second time, with the older
time, never wins.

Promised: in whatever order events come, and however late within the lookback, the newest state is the one that stands.

Events reach back 30 days. When the last window is older they are incomplete: everything is listed again, with the end
of the window as its version, so that it wins over what was known. This is said in the log and in the load's origin.
What cannot be known: a customer who was deleted more than 30 days ago in such a gap, neither listed nor told of; states
between two runs, of which the last is fetched.

Balance transactions have no events: those created within the lookback (10 days in pipeline.yml) are listed anew, since
a pending one becomes available days later. One that takes longer than the lookback stays pending here.

A reconciliation lists everything anew and compares the fields that the streams below name: what Stripe changes without
an event (links to receipts, what is past due) is not among them. What charges, refunds and disputes say of their
amounts is held against their balance transactions, to the cent.

A deleted customer comes as {"id", "object", "deleted": true}. Nothing else is ever deleted; an object that Stripe does
not know any more (test data that was wiped) is kept as its last event showed it, as deleted.

Settings: STRIPE_API_KEY (a restricted key with read access to these is enough) and STRIPE_API_URL; in pipeline.yml
`options: {refetch_workers: 8}`, how many of a page's changed objects are fetched at once. They are written in the
order of their events whatever the number; a 429 to one of them holds all of them back.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from ingestion.inventory import Item
from ingestion.source import BaseSource, Context, Stream, parse_time
from ingestion.stripe_api import StripeApi
from ingestion.stripe_inventory import Told, captured, movement_of, refunded, withdrawn
from ingestion.stripe_stream import EventedStream, StripeStream


class Charges(EventedStream):
    name = path = "charges"
    noun = "charge"
    topics = (
        *("charge.succeeded", "charge.failed", "charge.pending", "charge.captured", "charge.expired"),
        *("charge.refunded", "charge.updated"),
        *("charge.refund.updated", "refund.updated", "refund.failed"),  # they change what the charge says of them
        *("charge.dispute.created", "charge.dispute.closed"),
    )
    told = Told(
        *("amount_captured", "amount_refunded", "status", "captured", "paid", "refunded", "disputed"),
        *("balance_transaction", "customer", "payment_intent", "failure_code", "metadata", "billing_details"),
        moved=captured,
    )


class Refunds(EventedStream):
    name = path = "refunds"
    noun = "refund"
    topics = ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")
    told = Told("charge", "payment_intent", "status", "reason", "balance_transaction", "metadata", moved=refunded)


class Disputes(EventedStream):
    name = path = "disputes"
    noun = "dispute"
    topics = (
        *("charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed"),
        *("charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated"),
    )
    told = Told("charge", "payment_intent", "status", "reason", "metadata", moved=withdrawn)


class Payouts(EventedStream):
    name = path = "payouts"
    noun = "payout"
    topics = (
        *("payout.created", "payout.updated", "payout.paid", "payout.failed", "payout.canceled"),
        "payout.reconciliation_completed",
    )
    told = Told("status", "arrival_date", "balance_transaction", "failure_code", "reconciliation_status", "metadata")


class Customers(EventedStream):
    name = path = "customers"
    noun = "customer"
    topics = ("customer.created", "customer.updated", "customer.deleted")
    told = Told("email", "name", "phone", "description", "address", "shipping", "metadata")


class BalanceTransactions(StripeStream):
    """Its version is `available_on` once it is available, `created` before."""

    name = path = "balance_transactions"
    about_others = True

    def item_of(self, record: bytes) -> Item | None:
        return movement_of(record)

    def _version_of_refetched(self, end: datetime) -> datetime | None:
        return None  # its own time tells

    def version_of(self, record: dict[str, Any]) -> datetime:
        created = parse_time(record["created"], "created")
        if record["status"] != "available":
            return created
        # available_on is a day: for what is available at once it may lie before the time of creation.
        return max(created, parse_time(record["available_on"], "available_on"))


STREAMS: dict[str, type[StripeStream]] = {
    stream.name: stream for stream in (Charges, Refunds, Disputes, BalanceTransactions, Payouts, Customers)
}


class Source(BaseSource):
    streams: ClassVar[dict[str, type[Stream]]] = {**STREAMS}

    def __init__(self, context: Context):
        super().__init__(context)
        self._api = StripeApi(context.settings.http, context.source)

    def stream(self, name: str) -> Stream:
        return STREAMS[name](self.context, self._api)

    def close(self) -> None:
        self._api.http.close()

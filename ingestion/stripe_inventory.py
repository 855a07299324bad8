"""What a reconciliation compares of Stripe's objects, and by how much each says that it moved the balance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import msgspec

from ingestion.cut import members
from ingestion.inventory import Item, Moved, fingerprint
from ingestion.source import parse_time

STREAM_OF = {  # by what an id begins with
    **{"ch": "charges", "py": "charges", "re": "refunds", "pyr": "refunds"},
    **{"po": "payouts", "dp": "disputes", "du": "disputes"},
}
MOVEMENT = ("status", "available_on", "net", "fee", "fee_details", "exchange_rate", "reporting_category")
# https://docs.stripe.com/currencies: these have no hundredths in its amounts, or thousandths.
WHOLE = {
    *("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga"),
    *("pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"),
}
THOUSANDTHS = {"bhd", "jod", "kwd", "omr", "tnd"}


class _Thing(msgspec.Struct):
    id: str
    created: int
    amount: int | None = None
    currency: str | None = None


class _Movement(_Thing):
    type: str = ""
    status: str = ""
    available_on: int = 0
    source: str | None = None
    net: int | None = None
    exchange_rate: Decimal | None = None


class _Charge(_Thing):
    amount_captured: int = 0
    balance_transaction: str | None = None
    failure_balance_transaction: str | None = None


class _Refund(_Thing):
    balance_transaction: str | None = None
    failure_balance_transaction: str | None = None


class _Dispute(_Thing):
    balance_transactions: list[_Movement] = []


class Told:
    """The `fields` that are compared besides amount and currency; `moved` reads what the object did to the balance."""

    def __init__(self, *fields: str, moved: Callable[[bytes], Moved | None] | None = None):
        self._fields, self._moved = fields, moved

    def item_of(self, record: bytes) -> Item | None:
        """None of an object that is deleted or not what Stripe documents."""
        try:
            thing = msgspec.json.decode(record, type=_Thing)
            created_at = parse_time(thing.created, "created")
            content = _content(record, self._fields)
            moved = self._moved(record) if self._moved else None
        except (ValueError, RecursionError):
            return None
        return Item(thing.id, created_at, thing.amount, thing.currency or "", content=content, moved=moved)


def movement_of(record: bytes) -> Item | None:
    """A balance transaction: summed by its type, and about the object that moved the balance by it.

    A dispute's movements are held against the copies that the dispute carries, with their fees; the others' amounts
    against what was charged or paid back.
    """
    try:
        thing = msgspec.json.decode(record, type=_Movement)
        created_at = parse_time(thing.created, "created")
        available_on = parse_time(thing.available_on, "available_on")
        content = _content(record, MOVEMENT)
    except (ValueError, RecursionError):
        return None
    stream = STREAM_OF.get((thing.source or "").partition("_")[0])
    source_of = (stream, thing.source) if stream and thing.source else None
    amount, currency = thing.net if stream == "disputes" else thing.amount, thing.currency or ""
    is_told = source_of and amount is not None
    moved = Moved(amount or 0, currency, _unit(currency), thing.exchange_rate) if is_told else None
    return Item(
        *(thing.id, created_at, thing.amount, currency, thing.type),
        updated_at=max(created_at, available_on) if thing.status == "available" else created_at,
        source_of=source_of,
        content=content,
        moved=moved,
    )


def captured(record: bytes) -> Moved | None:
    """What a charge brought in; nothing known while it has no balance transaction."""
    it = msgspec.json.decode(record, type=_Charge)
    if not it.balance_transaction or not it.currency:
        return None
    return Moved(0 if it.failure_balance_transaction else it.amount_captured, it.currency, _unit(it.currency))


def refunded(record: bytes) -> Moved | None:
    """What a refund paid back; one that failed has brought it in again."""
    it = msgspec.json.decode(record, type=_Refund)
    if not it.balance_transaction or not it.currency or it.amount is None:
        return None
    return Moved(0 if it.failure_balance_transaction else -it.amount, it.currency, _unit(it.currency))


def withdrawn(record: bytes) -> Moved | None:
    """What a dispute took, or took and gave back, with its fees: in the balance's currency, as it carries it."""
    moves = msgspec.json.decode(record, type=_Dispute).balance_transactions
    currencies = {it.currency for it in moves}
    if len(currencies) != 1 or not (currency := currencies.pop()):
        return None
    return Moved(sum(it.net or 0 for it in moves), currency, _unit(currency))


def _content(record: bytes, fields: Iterable[str]) -> str:
    """Of these fields' values; one that is absent is not the same as one that is null."""
    values: dict[str, Any] = members(record)
    return fingerprint({name: msgspec.json.decode(values[name]) for name in fields if name in values})


def _unit(currency: str) -> Decimal:
    return Decimal(1) if currency in WHOLE else Decimal("0.001") if currency in THOUSANDTHS else Decimal("0.01")

"""A charge as Stripe's JSON shows it (https://docs.stripe.com/api/charges/object)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zlib import crc32

from mock_apis.stripe.ledger import Ledger, epoch
from mock_apis.stripe.objects import listed, refund
from mock_apis.world import stripe_model

_BRANDS = (("visa", "4242"), ("mastercard", "4444"), ("amex", "8431"), ("visa", "0341"))
_FAILURES = {
    "card_declined": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
}


def charge(ledger: Ledger, it: stripe_model.Charge, at: datetime | None = None) -> dict[str, Any]:
    """`at` is the time of an event's snapshot: later refunds are not in it."""
    succeeded = it.status == "succeeded"
    until = at or ledger.now
    refunds = [r for r in ledger.refunds_by_charge.get(it.id, ()) if r.created <= until]
    payer = ledger.world.stripe_customers.get(it.customer or "")
    return {
        "id": it.id,
        "object": "charge",
        "amount": it.amount,
        "amount_captured": it.amount_captured,
        "amount_refunded": it.amount_refunded,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": it.balance_transaction,
        "billing_details": {
            "address": {
                "city": None,
                "country": it.country_code,
                "line1": None,
                "line2": None,
                "postal_code": None,
                "state": None,
            },
            "email": it.email,
            "name": payer.name if payer else None,
            "phone": None,
            "tax_id": None,
        },
        "calculated_statement_descriptor": "HEADWATER SHOP",
        "captured": it.captured,
        "created": epoch(it.created),
        "currency": it.currency,
        "customer": it.customer,
        "description": f"Order {it.order_id}",
        "disputed": it.disputed,
        "failure_balance_transaction": None,
        "failure_code": it.failure_code,
        "failure_message": _failure_message(it),
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(it.metadata),
        "on_behalf_of": None,
        "outcome": _outcome(it),
        "paid": succeeded,
        "payment_intent": it.payment_intent,
        "payment_method": f"pm_{it.payment_intent.removeprefix('pi_')}",
        "payment_method_details": {"card": _card(it), "type": "card"},
        "receipt_email": it.email,
        "receipt_number": None,
        "receipt_url": f"https://pay.stripe.com/receipts/payment/{it.id}" if succeeded else None,
        "refunded": succeeded and 0 < it.amount <= it.amount_refunded,
        "refunds": listed([refund(ledger, r) for r in refunds[:10]], len(refunds) > 10, _refunds_url(it)),
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": it.status,
        "transfer_data": None,
        "transfer_group": None,
    }


def _refunds_url(it: stripe_model.Charge) -> str:
    return f"/v1/charges/{it.id}/refunds"


def _failure_message(it: stripe_model.Charge) -> str | None:
    return it.failure_code and _FAILURES.get(it.failure_code, "The payment failed.")


def _outcome(it: stripe_model.Charge) -> dict[str, Any]:
    failed = it.status == "failed"
    return {
        "advice_code": "try_again_later" if failed else None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if failed else "approved_by_network",
        "reason": it.failure_code if failed else None,
        "seller_message": "The bank did not return any further details with this decline."
        if failed
        else "Payment complete.",
        "type": "issuer_declined" if failed else "authorized",
    }


def _card(it: stripe_model.Charge) -> dict[str, Any]:
    # The same address pays with the same card: brand, number and expiry hang on it alone.
    seed = crc32(it.email.lower().encode())
    brand, last4 = _BRANDS[seed % len(_BRANDS)]
    return {
        "amount_authorized": it.amount if it.status == "succeeded" else None,
        "authorization_code": None,
        "brand": brand,
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "pass",
        },
        "country": it.country_code,
        "exp_month": seed % 12 + 1,
        "exp_year": 2028 + seed % 5,
        "extended_authorization": {"status": "disabled"},
        "fingerprint": f"{seed:08x}{crc32(last4.encode(), seed):08x}",
        "funding": "debit" if seed % 3 else "credit",
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "last4": last4,
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": brand,
        "network_token": {"used": False},
        "network_transaction_id": None,
        "overcapture": {"maximum_amount_capturable": it.amount, "status": "unavailable"},
        "regulated_status": "unregulated",
        "three_d_secure": None,
        "transaction_link_id": None,
        "wallet": None,
    }

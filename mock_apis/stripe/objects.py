"""Refunds, disputes, balance transactions, payouts, customers and the balance as Stripe's JSON shows them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zlib import crc32

from mock_apis.stripe.ledger import Ledger, epoch
from mock_apis.world import stripe_model

_EVIDENCE = [
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
]


def listed(data: list[dict[str, Any]], has_more: bool, url: str) -> dict[str, Any]:
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def refund(ledger: Ledger, it: stripe_model.StripeRefund) -> dict[str, Any]:
    return {
        "id": it.id,
        "object": "refund",
        "amount": it.amount,
        "balance_transaction": it.balance_transaction,
        "charge": it.charge,
        "created": epoch(it.created),
        "currency": it.currency,
        "customer": None,
        "customer_account": None,
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "metadata": {},
        "payment_intent": it.payment_intent,
        "payment_method": None,
        "reason": it.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": it.status,
        "transfer_reversal": None,
    }


def dispute(ledger: Ledger, it: stripe_model.Dispute) -> dict[str, Any]:
    due_by = it.created + timedelta(days=9)
    known = ledger.world.balance_transactions
    return {
        "id": it.id,
        "object": "dispute",
        "amount": it.amount,
        "balance_transactions": [
            balance_transaction(ledger, known[key]) for key in it.balance_transactions if key in known
        ],
        "charge": it.charge,
        "created": epoch(it.created),
        "currency": it.currency,
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": epoch(due_by),
            "enhanced_eligibility": {},
            "has_evidence": it.status not in ("needs_response", "lost"),
            "past_due": it.status == "needs_response" and due_by < ledger.now,
            "submission_count": 0 if it.status == "needs_response" else 1,
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": it.payment_intent,
        "payment_method_details": {
            "card": {
                "brand": "visa",
                "case_type": "chargeback",
                "network": "visa",
                "network_reason_code": "10.4",
            },
            "type": "card",
        },
        "reason": it.reason,
        "status": it.status,
    }


def balance_transaction(ledger: Ledger, it: stripe_model.BalanceTransaction) -> dict[str, Any]:
    fees = [
        {
            "amount": it.fee,
            "application": None,
            "currency": ledger.currency,
            "description": "Stripe processing fees",
            "type": "stripe_fee",
        }
    ]
    return {
        "id": it.id,
        "object": "balance_transaction",
        "amount": it.amount,
        "available_on": epoch(it.available_on),
        "balance_type": "payments",
        "created": epoch(it.created),
        "currency": ledger.currency,
        "description": it.description,
        "exchange_rate": it.exchange_rate,
        "fee": it.fee,
        "fee_details": fees if it.fee else [],
        "net": it.net,
        "reporting_category": it.reporting_category,
        "source": it.source,
        "status": "available" if it.available_on <= ledger.now else "pending",
        "type": it.type,
    }


def payout(ledger: Ledger, it: stripe_model.Payout) -> dict[str, Any]:
    return {
        "id": it.id,
        "object": "payout",
        "amount": it.amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": epoch(it.arrival_date),
        "automatic": it.automatic,
        "balance_transaction": it.balance_transaction,
        "created": epoch(it.created),
        "currency": ledger.currency,
        "description": "STRIPE PAYOUT",
        "destination": "ba_1HeadwaterShopAccount0001",
        "failure_balance_transaction": None,
        "failure_code": "account_closed" if it.status == "failed" else None,
        "failure_message": "The bank account has been closed." if it.status == "failed" else None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "completed" if it.status == "paid" else "in_progress",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": it.status,
        "trace_id": {"status": "pending", "value": None},
        "type": "bank_account",
    }


def customer(ledger: Ledger, it: stripe_model.StripeCustomer) -> dict[str, Any]:
    return {
        "id": it.id,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": epoch(it.created),
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": it.email,
        "invoice_prefix": f"{crc32(it.id.encode()):08X}",
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": dict(it.metadata),
        "name": it.name,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def deleted_customer(it: stripe_model.StripeCustomer) -> dict[str, Any]:
    return {"id": it.id, "object": "customer", "deleted": True}


def balance(ledger: Ledger) -> dict[str, Any]:
    """What can be paid out now, and what will be later: the sums of the net amounts."""
    available = pending = 0
    for it in ledger.balance_transactions.items:
        if it.available_on <= ledger.now:
            available += it.net
        else:
            pending += it.net

    def held(amount: int) -> list[dict[str, Any]]:
        return [{"amount": amount, "currency": ledger.currency, "source_types": {"card": amount}}]

    return {
        "object": "balance",
        "available": held(available),
        "connect_reserved": [{"amount": 0, "currency": ledger.currency}],
        "livemode": False,
        "pending": held(pending),
    }

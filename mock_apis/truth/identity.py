"""Who of the shop's accounts and guests are one person."""

from __future__ import annotations

import hashlib
from collections import defaultdict

from mock_apis.truth.writing import address
from mock_apis.world.shop_model import Order
from mock_apis.world.world import World

MOST_ACCOUNTS = 5  # a mailbox with more is no person's


def persons(world: World) -> dict[str, str]:
    """{buyer: person} of each account and each guest with an order; a buyer is what `buyer_of` says.

    A person is named by the oldest account, or as a guest by the first order.
    """
    orders = sorted(world.orders.values(), key=lambda order: order.processed_at)
    has = {order.customer_id: mailbox(order.email) for order in orders if order.customer_id is not None}
    has |= {customer.id: mailbox(customer.email) for customer in world.customers.values()}
    accounts: dict[str, list[int]] = defaultdict(list)
    for account in sorted(has):
        accounts[has[account]].append(account)
    found = {}
    for those in accounts.values():
        for account in those:
            found[str(account)] = str(those[0] if len(those) <= MOST_ACCOUNTS else account)
    now, once = defaultdict(set), defaultdict(set)
    for account, box in has.items():
        now[box].add(found[str(account)])
    for order in orders:
        if order.customer_id is not None:
            once[mailbox(order.email)].add(found[str(order.customer_id)])
    for order in sorted(orders, key=lambda order: order.id, reverse=True):
        if order.customer_id is None:
            owners = now.get(mailbox(order.email)) or once.get(mailbox(order.email)) or set()
            found[buyer_of(order)] = next(iter(owners)) if len(owners) == 1 else f"guest:{order.id}"
    return found


def buyer_of(order: Order) -> str:
    """The account's id, or guest: and the md5 of the mailbox."""
    if order.customer_id is not None:
        return str(order.customer_id)
    return "guest:" + hashlib.md5(mailbox(order.email).encode(), usedforsecurity=False).hexdigest()


def mailbox(email: str) -> str:
    """Where mail to the address ends up."""
    name, _, domain = address(email).partition("@")
    name = name.partition("+")[0] or name
    if domain in ("gmail.com", "googlemail.com"):
        return name.replace(".", "") + "@gmail.com"
    return f"{name}@{domain}"

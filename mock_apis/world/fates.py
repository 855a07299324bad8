"""Which order meets which fate, and how it is paid."""

from __future__ import annotations

from random import Random

# One fate for each order, dealt without replacement, so that each occurs even in the
# smallest world: {fate: cards in a deck}.
DECK = {
    "plain": 24,
    "capture later": 6,
    "void": 1,
    "expire": 1,
    "retry": 2,
    "pending": 1,
    "pending paid": 1,
    "pending void": 1,
    "partial refund": 4,
    "two refunds": 1,
    "slow refund": 1,
    "full refund": 2,
    "cancel": 1,
    "remove units": 3,
    "add line": 2,
    "dispute won": 1,
    "dispute lost": 1,
    "test": 1,
    "big": 1,
    "custom": 2,
    "digital": 1,
    "imported": 2,
}

GATEWAYS = {"stripe": 27, "paypal": 1, "gift_card": 1, "manual": 1}
# Only a Stripe charge can be disputed, held, declined or be slow to come back.
ANY_GATEWAY = (
    "plain",
    "partial refund",
    "full refund",
    "cancel",
    "remove units",
    "add line",
    "custom",
    "digital",
    "imported",
)

# What goes wrong between Shopify and Stripe with a plain order, in a world that has mishaps.
MISHAPS = {
    "none": 7,
    "missing payment": 1,
    "missing order": 1,
    "amount": 1,
    "currency": 1,
    "duplicate": 1,
    "settlement": 1,
}

PAYOUTS = {"none": 5, "manual": 1, "amount": 1}


class Deck:
    def __init__(self, rng: Random, deck: dict[str, int]) -> None:
        self.rng = rng
        self.deck = deck
        self.cards: list[str] = []

    def deal(self) -> str:
        if not self.cards:
            self.cards = [fate for fate, count in self.deck.items() for _ in range(count)]
            self.rng.shuffle(self.cards)
        return self.cards.pop()

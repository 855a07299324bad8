"""Which order meets which fate."""

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


class Deck:
    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.cards: list[str] = []

    def deal(self) -> str:
        if not self.cards:
            self.cards = [fate for fate, count in DECK.items() for _ in range(count)]
            self.rng.shuffle(self.cards)
        return self.cards.pop()

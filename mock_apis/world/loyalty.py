"""The shop's own app: loyalty accounts of its customers, and the points that they earn and spend.

It only looks at the orders of each day that has passed and rolls dice of its own: nothing else in the world knows it.
"""

from __future__ import annotations

from datetime import datetime
from itertools import islice

from mock_apis.world.loyalty_model import LoyaltyAccount, PointsTransaction
from mock_apis.world.shop_model import Order
from mock_apis.world.state import State

JOINS = 0.5
REDEEMS = 0.25
TIERS = ((1000, "gold"), (300, "silver"), (0, "basic"))


class Loyalty:
    def __init__(self, state: State) -> None:
        self.state = state
        self.rng = state.random("loyalty")
        self._of_customer: dict[int, LoyaltyAccount] = {}
        self._orders_seen = 0

    def end_day(self, number: int) -> None:
        """Book what the day's orders earned; now and then an account is closed, or a booking was a mistake."""
        for order in islice(self.state.orders.values(), self._orders_seen, None):
            if account := self._account(order):
                self._book(account, order, "earn", max(1, order.total.shop // 100))
                if account.points_balance >= 100 and self.rng.random() < REDEEMS:
                    self._book(account, order, "redeem", -100)
        self._orders_seen = len(self.state.orders)
        if number % 3 == 2 and self.state.points_transactions:
            self._undo(self.rng.choice(list(self.state.points_transactions.values())))
        if number % 4 == 3 and self._of_customer:
            self._close(self.rng.choice(list(self._of_customer.values())))

    def _account(self, order: Order) -> LoyaltyAccount | None:
        if order.customer_id is None or order.test:
            return None
        account = self._of_customer.get(order.customer_id)
        if account is None and self.rng.random() < JOINS:
            account = self._join(order.customer_id, order.created_at)
        return account

    def _join(self, customer_id: int, at: datetime) -> LoyaltyAccount:
        email = self.state.customers[customer_id].email
        account = LoyaltyAccount(self.state.count("loyalty account"), customer_id, email, "basic", 0, at)
        self.state.loyalty_accounts[account.id] = self._of_customer[customer_id] = account
        return account

    def _book(self, account: LoyaltyAccount, order: Order, kind: str, points: int) -> None:
        number = self.state.count("points transaction")
        booked = PointsTransaction(number, account.id, order.id, kind, points, order.created_at)
        self.state.points_transactions[number] = booked
        self._add(account, points)

    def _undo(self, booked: PointsTransaction) -> None:
        del self.state.points_transactions[booked.id]
        self._add(self.state.loyalty_accounts[booked.account_id], -booked.points)

    def _add(self, account: LoyaltyAccount, points: int) -> None:
        account.points_balance += points
        account.tier = next((tier for least, tier in TIERS if account.points_balance >= least), "basic")

    def _close(self, account: LoyaltyAccount) -> None:
        """The account goes with its bookings; the customer may join again."""
        del self.state.loyalty_accounts[account.id], self._of_customer[account.customer_id]
        gone = [each.id for each in self.state.points_transactions.values() if each.account_id == account.id]
        for number in gone:
            del self.state.points_transactions[number]

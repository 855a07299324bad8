"""The customers, registered and not, and how they move, unsubscribe and come to be known.

They are fewer than they seem: one account in twelve is the second one of somebody.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from mock_apis.world import places
from mock_apis.world.payments import Payments
from mock_apis.world.shop_model import Customer
from mock_apis.world.state import State

SECOND_ACCOUNTS = 1 / 12
TAGS = ("shop", "news", "2", "orders+wool")
ASCII = str.maketrans("äöüßéèøëÖçáíóñ'", "aousee0eocaion-")


def any_case(rng: Random, email: str) -> str:
    """The address as people and platforms write it: the case is anybody's choice."""
    dice = rng.random()
    if dice < 0.75:
        return email
    if dice < 0.9:
        return email[:1].upper() + email[1:]
    local, _, domain = email.partition("@")
    return f"{local.title()}@{domain.capitalize()}" if dice < 0.97 else email.upper()


class People:
    def __init__(self, state: State, payments: Payments) -> None:
        self.state = state
        self.payments = payments
        self.rng = state.random("people")
        self.aliases = state.random("aliases")
        self.everyone: list[Customer] = []
        self.by_email: dict[str, Customer] = {}
        # Newsletter readers whom the shop does not know as customers.
        self.leads = [self.invent()[2] for _ in range(state.scale.customers // 8)]
        for number in range(state.scale.customers * 3 // 4):
            age = timedelta(days=300) * (1 - number / state.scale.customers)
            self.register(state.now - timedelta(days=1) - age)

    def invent(self) -> tuple[str, str, str]:
        first, last = self.rng.choice(places.FIRST_NAMES), self.rng.choice(places.LAST_NAMES)
        name = f"{first}.{last}".lower().translate(ASCII)
        return (
            first,
            last,
            f"{name}{self.state.count('person')}@example.{self.rng.choice(('com', 'net', 'org'))}",
        )

    def register(self, at: datetime) -> Customer:
        first, last, email = self.invent()
        if self.everyone and self.aliases.random() < SECOND_ACCOUNTS:
            owner = self.aliases.choice(self.everyone)
            if (alias := self.alias(owner)) not in self.by_email:  # the shop wants each address once
                first, last, email = owner.first_name, owner.last_name, alias
        place = places.any_place(self.rng)
        at = at.replace(microsecond=0)
        customer = Customer(
            id=self.state.shopify_id("customer"),
            email=email,
            first_name=first,
            last_name=last,
            phone=f"+49301{self.rng.randrange(10**6):06d}" if self.rng.random() < 0.4 else None,
            country_code=place.country.code,
            province_code=place.province,
            city=place.city,
            zip=place.zip,
            marketing_state=self.rng.choices(("SUBSCRIBED", "NOT_SUBSCRIBED", "UNSUBSCRIBED"), (70, 25, 5))[0],
            tags=["vip"] if self.rng.random() < 0.05 else [],
            created_at=at,
            updated_at=at,
        )
        self.state.customers[customer.id] = customer
        self.everyone.append(customer)
        self.by_email[email] = customer
        return customer

    def alias(self, customer: Customer) -> str:
        """Another address of the customer's mailbox."""
        name, _, domain = customer.email.partition("@")
        return f"{name.partition('+')[0]}+{self.aliases.choice(TAGS)}@{domain}"

    def any_customer(self) -> Customer:
        """One of the customers; the early ones come back more often."""
        return self.everyone[int(len(self.everyone) * self.rng.random() ** 1.5)]

    def plan_day(self, start: datetime, end: datetime, number: int) -> None:
        def later() -> datetime:
            return start + (end - start) * self.rng.random()

        for _ in range(max(1, self.state.scale.customers // 200)):
            self.state.schedule(later(), self.move)
        if number % 2:
            self.state.schedule(later(), self.change_email)
        if number % 3 == 1:
            self.state.schedule(later(), self.leave_newsletter)
        if number % 5 == 4:
            self.state.schedule(later(), self.forget_card)

    def move(self, at: datetime) -> None:
        customer = self.any_customer()
        place = places.any_place(self.rng)
        customer.country_code, customer.province_code = place.country.code, place.province
        customer.city, customer.zip = place.city, place.zip
        customer.updated_at = at

    def change_email(self, at: datetime) -> None:
        customer = self._with_card() or self.any_customer()
        del self.by_email[customer.email]
        customer.email = self.invent()[2]
        self.by_email[customer.email] = customer
        customer.updated_at = at
        self.payments.update_customer(at, customer)

    def leave_newsletter(self, at: datetime) -> None:
        self.unsubscribe(at, self.any_customer().email)

    def unsubscribe(self, at: datetime, email: str) -> None:
        """The shop hears of it from the platform; leads simply go."""
        if email in self.leads:
            self.leads.remove(email)
        customer = self.by_email.get(email)
        if customer is not None and customer.marketing_state == "SUBSCRIBED":
            customer.marketing_state = "UNSUBSCRIBED"
            customer.marketing_updated_at = customer.updated_at = at

    def forget_card(self, at: datetime) -> None:
        """Someone asks for the saved card to go: the Stripe customer is deleted."""
        if customer := self._with_card():
            self.payments.delete_customer(at, customer)

    def _with_card(self) -> Customer | None:
        known = [customer for customer in self.everyone if customer.stripe_id]
        return self.rng.choice(known) if known else None

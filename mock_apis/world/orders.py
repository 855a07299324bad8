"""Orders as the checkout makes them: lines, discounts, taxes, shipping."""

from __future__ import annotations

from datetime import datetime, timedelta

from mock_apis.world import places
from mock_apis.world.catalog import Catalog
from mock_apis.world.money import divide, money, tax_of
from mock_apis.world.people import People, any_case
from mock_apis.world.places import Place
from mock_apis.world.shop_model import Customer, Line, Money, Order
from mock_apis.world.state import State

FREE_SHIPPING_FROM = 15000
PERCENT_CODES = {"WELCOME10": 10, "SUMMER15": 15}
FIXED_CODE, FIXED_DISCOUNT = "FIVE", 500
GUESTS_WITH_ACCOUNTS = 0.3  # customers who do not sign in


class Checkout:
    def __init__(self, state: State, catalog: Catalog, people: People) -> None:
        self.state = state
        self.catalog = catalog
        self.people = people
        self.rng = state.random("checkout")

    def place(self, at: datetime, email: str | None, campaign_id: str | None, kind: str) -> Order:
        """An order, not yet paid, by the buyer with `email` (or by anyone); `kind` names its oddity."""
        customer, email = self._buyer(at, email)
        place = self._place(customer)
        country = place.country
        order = Order(
            id=self.state.shopify_id("order"),
            name=f"#{1000 + self.state.count('order name')}",
            customer_id=customer.id if customer else None,
            email=any_case(self.rng, email),
            country_code=country.code,
            province_code=place.province,
            city=place.city,
            zip=place.zip,
            created_at=at,
            processed_at=at,
            updated_at=at,
            currency=country.currency,
            taxes_included=country.taxes_included,
            lines=[],
            shipping=Money.zero(country.currency),
            shipping_tax=Money.zero(country.currency),
            discount_codes=[],
            financial_status="PENDING",
            fulfillment_status="UNFULFILLED",
            test=kind == "test",
            campaign_id=campaign_id,
        )
        for _ in range(self._line_count(kind)):
            order.lines.append(self.line(order, place, cheap=kind == "big"))
        if kind == "custom":
            order.lines.append(self.custom_line(order, place))
        self._discount(order)
        self._ship(order, place, kind)
        if kind == "imported":
            order.processed_at = at - timedelta(minutes=self.rng.randint(60, 900))
        if customer:
            customer.updated_at = at
        self.state.orders[order.id] = order
        return order

    def line(self, order: Order, place: Place, cheap: bool = False) -> Line:
        """A line of a product on offer, at today's price, with its tax and no discount."""
        picks = [self.catalog.pick() for _ in range(6 if cheap else 1)]
        product, variant = min(picks, key=lambda pick: pick[1].price)
        quantity = self.rng.choices((1, 2, 3, 5), (68, 20, 8, 4))[0]
        title = product.title if len(product.variants) == 1 else f"{product.title} - {variant.title}"
        return self._line(order, place, product.id, variant.id, variant.sku, title, quantity, variant.price)

    def custom_line(self, order: Order, place: Place) -> Line:
        """What never had a product, or has lost it since: the API gives null for both."""
        if self.rng.random() < 0.5:
            return self._line(order, place, None, None, None, "Gift wrapping", 2, 350)
        return self._line(order, place, None, None, "CLO-OLD-S", "Birch Clock", 1, 4350)

    def retax(self, line: Line, included: bool) -> None:
        """Bring the tax in line with what the ordered units now cost."""
        tax = tax_of(line.price.shop, round(line.tax_rate * 10000), included)
        line.tax = money(tax, line.tax.currency)

    def place_of(self, order: Order) -> Place:
        """Where the goods go and are taxed; the shop's own country when nothing is shipped."""
        country = places.country(order.country_code or "DE")
        return Place(country, order.city or "", order.province_code, order.zip or "")

    def _buyer(self, at: datetime, email: str | None) -> tuple[Customer | None, str]:
        """A registered customer, a new one, or a guest; who came by a click keeps the address."""
        if email is None:
            dice = self.rng.random()
            if dice < 0.2:
                return None, self._guest(self.people.invent()[2])
            customer = self.people.register(at) if dice < 0.4 else self.people.any_customer()
            return customer, customer.email
        known = self.people.by_email.get(email)
        if known is not None and self.rng.random() < 0.1:
            return None, email  # did not sign in: a guest to the shop
        return known, email

    def _guest(self, stranger: str) -> str:
        """The address of the stranger, or one of a customer's own."""
        dice = self.people.aliases.random()
        if dice > GUESTS_WITH_ACCOUNTS:
            return stranger
        customer = self.people.aliases.choice(self.people.everyone)
        return customer.email if dice < GUESTS_WITH_ACCOUNTS / 2 else self.people.alias(customer)

    def _line_count(self, kind: str) -> int:
        if kind == "big":
            return self.rng.randint(61, 75)
        count = self.rng.choices((1, 2, 3, 4, 6), (45, 28, 15, 8, 4))[0]
        return max(2, count) if kind in ("remove units", "two refunds") else count

    def _place(self, customer: Customer | None) -> Place:
        if customer is None:
            return places.any_place(self.rng)
        home = places.country(customer.country_code)
        return Place(home, customer.city, customer.province_code, customer.zip)

    def _line(
        self,
        order: Order,
        place: Place,
        product_id: int | None,
        variant_id: int | None,
        sku: str | None,
        title: str,
        quantity: int,
        price: int,
    ) -> Line:
        zero = Money.zero(order.currency)
        rate = place.tax_basis_points
        line = Line(
            id=self.state.shopify_id("line"),
            product_id=product_id,
            variant_id=variant_id,
            sku=sku,
            title=title,
            quantity=quantity,
            unit_price=money(price, order.currency),
            discount=zero,
            tax=zero,
            tax_rate=rate / 10000,
            tax_title=place.country.tax_title if rate else "",
        )
        self.retax(line, order.taxes_included)
        return line

    def _discount(self, order: Order) -> None:
        """A code, spread over the lines by their price, so that the parts make the whole."""
        if self.rng.random() > 0.28:
            return
        code = self.rng.choice((*PERCENT_CODES, FIXED_CODE))
        order.discount_codes.append(code)
        prices = [line.unit_price.shop * line.quantity for line in order.lines]
        whole = sum(prices)
        amount = FIXED_DISCOUNT if code == FIXED_CODE else divide(whole * PERCENT_CODES[code], 100)
        amount = min(amount, whole)
        given = before = 0
        for line, price in zip(order.lines, prices, strict=True):
            before += price
            part = divide(amount * before, whole) - given
            given += part
            line.discount = money(part, order.currency)
            self.retax(line, order.taxes_included)

    def _ship(self, order: Order, place: Place, kind: str) -> None:
        if kind == "digital":
            order.country_code = order.province_code = order.city = order.zip = None
            return
        if sum(line.price.shop for line in order.lines) < FREE_SHIPPING_FROM:
            shipping = place.country.shipping
            order.shipping = money(shipping, order.currency)
            tax = tax_of(shipping, place.tax_basis_points, order.taxes_included)
            order.shipping_tax = money(tax, order.currency)

"""The products: what is on offer, and how prices, titles and statuses change."""

from __future__ import annotations

from datetime import datetime, timedelta

from mock_apis.world.shop_model import Product, Variant
from mock_apis.world.state import State

KINDS = (
    ("Kettle", "Kitchen", 5900),
    ("Mug", "Kitchen", 1450),
    ("Blanket", "Home", 8900),
    ("Lamp", "Home", 12900),
    ("Notebook", "Paper", 995),
    ("Backpack", "Travel", 14900),
    ("Soap", "Bath", 650),
    ("Towel", "Bath", 3490),
)
STYLES = (
    "Alder",
    "Birch",
    "Cedar",
    "Dune",
    "Ember",
    "Fjord",
    "Grove",
    "Heath",
    "Iris",
    "Juniper",
    "Kelp",
    "Linden",
)
OPTIONS = ("Small", "Medium", "Large", "Limited")


class Catalog:
    def __init__(self, state: State) -> None:
        self.state = state
        self.rng = state.random("catalog")
        self.markdown_dice = state.random("markdowns")
        self.on_offer: list[Product] = []
        self.day_began = state.now
        for number in range(state.scale.products):
            created = state.now - timedelta(days=200 - number % 150, seconds=self.rng.randrange(80000))
            self.launch(created, status="DRAFT" if number == 5 else "ACTIVE")

    def launch(self, at: datetime, status: str = "ACTIVE") -> None:
        number = self.state.count("product title") - 1
        kind, product_type, base = KINDS[number % len(KINDS)]
        edition = number // (len(KINDS) * len(STYLES))
        title = f"{STYLES[(number + number // len(KINDS)) % len(STYLES)]} {kind}" + (
            f" No. {edition + 1}" if edition else ""
        )
        product = Product(
            id=self.state.shopify_id("product"),
            title=title,
            handle=title.lower().replace(". ", "-").replace(" ", "-"),
            vendor=self.rng.choice(("Headwater", "Nord & Süd", 'Atelier "K"')),
            product_type=product_type,
            status=status,
            created_at=at.replace(microsecond=0),
            updated_at=at.replace(microsecond=0),
        )
        for option in OPTIONS[: self.rng.randint(1, 4)]:
            price = base + OPTIONS.index(option) * base // 4
            product.variants.append(
                Variant(
                    id=self.state.shopify_id("variant"),
                    product_id=product.id,
                    sku=f"{kind[:3].upper()}-{number:03d}-{option[0]}",
                    title=option,
                    price=price,
                    cost=None if self.rng.random() < 0.1 else price * 2 // 5,
                    updated_at=product.updated_at,
                )
            )
        self.state.products[product.id] = product
        if status == "ACTIVE":
            self.on_offer.append(product)

    def plan_day(self, start: datetime, end: datetime, number: int) -> None:
        """Prices move, and some are marked down, every day; launches, new titles and archiving are rarer."""

        self.day_began = start

        def later() -> datetime:
            return start + (end - start) * self.rng.random()

        for _ in range(max(1, self.state.scale.products // 30)):
            self.state.schedule(later(), self.change_price)
        if number % 6 == 2:
            self.state.schedule(later(), self.launch)
        if number % 5 == 3:
            self.state.schedule(later(), self.rename)
        if number % 7 == 4:
            self.state.schedule(later(), self.archive)
        for _ in range(max(1, self.state.scale.products // 12)):
            self.state.schedule(start + (end - start) * self.markdown_dice.random(), self.mark_down)

    def pick(self) -> tuple[Product, Variant]:
        """Something to buy: a few products sell much more often than the rest."""
        product = self.on_offer[int(len(self.on_offer) * self.rng.random() ** 1.7)]
        return product, self.rng.choice(product.variants)

    def change_price(self, at: datetime) -> None:
        product = self.rng.choice(self.on_offer)
        variant = self.rng.choice(product.variants)
        price = max(300, variant.price * self.rng.choice((90, 95, 105, 110)) // 100)
        if self._rests(variant):
            self._show(at, product, variant, price, None)

    def mark_down(self, at: datetime) -> None:
        """A product costs less for two to six days, the price from before crossed out beside it."""
        product = self.markdown_dice.choice(self.on_offer)
        percent, days = self.markdown_dice.choice((70, 80, 85)), self.markdown_dice.uniform(2, 6)
        for variant in product.variants:
            if self._rests(variant):
                self._show(at, product, variant, max(300, variant.price * percent // 100), variant.price)
                self.state.schedule(at + timedelta(days=days), self.end_markdown, product, variant)

    def end_markdown(self, at: datetime, product: Product, variant: Variant) -> None:
        self._show(at, product, variant, variant.compare_at_price or variant.price, None)

    def _rests(self, variant: Variant) -> bool:
        """Whether its price may change: it is not marked down, and has not changed on this day.

        Of two changes on a day, who reads daily would see but one.
        """
        return variant.compare_at_price is None and variant.updated_at <= self.day_began

    def _show(self, at: datetime, product: Product, variant: Variant, price: int, compare_at: int | None) -> None:
        variant.price, variant.compare_at_price = price, compare_at
        variant.updated_at = product.updated_at = at
        self.state.crossed_out.setdefault(variant.id, []).append((at, compare_at))

    def rename(self, at: datetime) -> None:
        product = self.rng.choice(self.on_offer)
        product.title = product.title.removesuffix(" (new)") + " (new)"
        product.updated_at = at

    def archive(self, at: datetime) -> None:
        product = self.on_offer.pop(self.rng.randrange(len(self.on_offer)))
        product.status = "ARCHIVED"
        product.updated_at = at

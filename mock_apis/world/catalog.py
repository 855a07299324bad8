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
        self.on_offer: list[Product] = []
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
        """Prices move every day; launches, new titles and archiving are rarer."""

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

    def pick(self) -> tuple[Product, Variant]:
        """Something to buy: a few products sell much more often than the rest."""
        product = self.on_offer[int(len(self.on_offer) * self.rng.random() ** 1.7)]
        return product, self.rng.choice(product.variants)

    def change_price(self, at: datetime) -> None:
        product = self.rng.choice(self.on_offer)
        variant = self.rng.choice(product.variants)
        variant.price = max(300, variant.price * self.rng.choice((90, 95, 105, 110)) // 100)
        variant.updated_at = product.updated_at = at

    def rename(self, at: datetime) -> None:
        product = self.rng.choice(self.on_offer)
        product.title = product.title.removesuffix(" (new)") + " (new)"
        product.updated_at = at

    def archive(self, at: datetime) -> None:
        product = self.on_offer.pop(self.rng.randrange(len(self.on_offer)))
        product.status = "ARCHIVED"
        product.updated_at = at

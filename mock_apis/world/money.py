"""Conversion and rounding of the pretend shop: integers only, halves up."""

from __future__ import annotations

from mock_apis.world.shop_model import Money

# Units of the buyer's currency for one euro, as (numerator, denominator) of minor
# units: 1 EUR = 1.0850 USD; 1 EUR = 163.50 JPY, and the yen has no decimals.
RATES: dict[str, tuple[int, int]] = {
    "EUR": (1, 1),
    "USD": (10850, 10000),
    "GBP": (8560, 10000),
    "SEK": (114200, 10000),
    "JPY": (16350, 10000),
}
DECIMALS = {"EUR": 2, "USD": 2, "GBP": 2, "SEK": 2, "JPY": 0}


def divide(numerator: int, denominator: int) -> int:
    """`numerator / denominator` (neither negative) rounded half up."""
    return (2 * numerator + denominator) // (2 * denominator)


def money(shop: int, currency: str) -> Money:
    """`shop` euro cents as the buyer in `currency` sees them."""
    numerator, denominator = RATES[currency]
    return Money(shop, divide(shop * numerator, denominator), currency)


def settled(amount: int, currency: str) -> int:
    """`amount` minor units of `currency` (either case) as euro cents on the Stripe balance."""
    numerator, denominator = RATES[currency.upper()]
    return divide(amount * denominator, numerator)


def exchange_rate(currency: str) -> float | None:
    """Euros for one unit of `currency`, or None when nothing is exchanged."""
    currency = currency.upper()
    if currency == "EUR":
        return None
    numerator, denominator = RATES[currency]
    return round(denominator / numerator / 10 ** (2 - DECIMALS[currency]), 6)


def share(whole: Money, units: int, of: int) -> Money:
    """The part of `whole` that belongs to the first `units` of `of` units."""
    return Money(divide(whole.shop * units, of), divide(whole.presentment * units, of), whole.currency)


def tax_of(price: int, basis_points: int, included: bool) -> int:
    """The tax in (or on top of) `price` at a rate in hundredths of a percent."""
    return divide(price * basis_points, 10000 + basis_points if included else 10000)

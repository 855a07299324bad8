"""Where the pretend shop's buyers live, what they are called and what they are taxed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

EU = frozenset(
    (
        "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES",
        "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU",
        "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Country:
    code: str
    weight: int
    currency: str
    taxes_included: bool
    tax_title: str
    tax_basis_points: int
    shipping: int  # euro cents
    towns: tuple[tuple[str, str | None, str], ...]  # city, province, zip


@dataclass(frozen=True)
class Place:
    country: Country
    city: str
    province: str | None
    zip: str

    @property
    def tax_basis_points(self) -> int:
        """Oregon has no sales tax; elsewhere the country's one rate will do."""
        return 0 if self.province == "OR" else self.country.tax_basis_points


COUNTRIES = (
    Country(
        "DE", 30, "EUR", True, "MwSt", 1900, 490,
        (("Berlin", None, "10115"), ("München", None, "80331"), ("Köln", None, "50667"), ("Görlitz", None, "02826")),
    ),
    Country("FR", 10, "EUR", True, "TVA", 2000, 890, (("Paris", None, "75003"), ("Orléans", None, "45000"))),
    Country(
        "NL", 6, "EUR", True, "BTW", 2100, 690,
        (("Utrecht", None, "3511 AB"), ("'s-Hertogenbosch", None, "5211 AA")),
    ),
    Country("AT", 6, "EUR", True, "USt", 2000, 690, (("Wien", None, "1010"), ("Graz", None, "8010"))),
    Country("IT", 6, "EUR", True, "IVA", 2200, 990, (("Torino", "TO", "10121"), ("Roma", "RM", "00184"))),
    Country("ES", 5, "EUR", True, "IVA", 2100, 990, (("Málaga", "MA", "29001"), ("Madrid", "M", "28004"))),
    Country("SE", 6, "SEK", True, "Moms", 2500, 1090, (("Malmö", None, "211 20"), ("Göteborg", None, "411 03"))),
    Country("GB", 9, "GBP", True, "VAT", 2000, 990, (("Leeds", "ENG", "LS1 4AP"), ("Glasgow", "SCT", "G1 1XQ"))),
    Country(
        "US", 11, "USD", False, "Sales Tax", 725, 1490,
        (("Oakland", "CA", "94607"), ("Portland", "OR", "97205"), ("Sacramento", "CA", "95814")),
    ),
    Country("CA", 3, "USD", False, "HST", 1300, 1490, (("Toronto", "ON", "M5V 2T6"), ("Ottawa", "ON", "K1P 1J1"))),
    Country("CH", 4, "EUR", False, "", 0, 1290, (("Zürich", "ZH", "8001"), ("Genève", "GE", "1204"))),
    Country("JP", 4, "JPY", False, "", 0, 1990, (("渋谷区", "JP-13", "150-0002"), ("京都市", "JP-26", "600-8216"))),
    Country("AU", 3, "USD", False, "", 0, 1990, (("Melbourne", "VIC", "3000"), ("Sydney", "NSW", "2000"))),
)  # fmt: skip
WEIGHTS = tuple(country.weight for country in COUNTRIES)

FIRST_NAMES = (
    "Anna", "Ben", "Chloé", "Dario", "Elif", "Felix", "Greta",
    "Hugo", "Inés", "Jonas", "Klara", "Liam", "Maja", "Noah",
    "Olivia", "Paul", "Quirin", "Rosa", "Søren", "Théo", "Uta",
    "Vera", "Walter", "Xenia", "Yuki", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Müller", "Smith", "Rossi", "García", "Dubois", "Jansen", "Svensson",
    "O'Neill", "Tanaka", "Weiß", "Novak", "Keller", "Brown", "Lefèvre",
    "Haas", "Öberg", "Martin", "Fischer", "Schäfer", "Costa",
)  # fmt: skip


def any_place(rng: Random) -> Place:
    country = rng.choices(COUNTRIES, WEIGHTS)[0]
    return town_in(rng, country)


def town_in(rng: Random, country: Country) -> Place:
    city, province, zip_code = rng.choice(country.towns)
    return Place(country, city, province, zip_code)


def country(code: str) -> Country:
    return next(c for c in COUNTRIES if c.code == code)

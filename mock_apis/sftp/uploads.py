"""What the shop's analyst drops by hand: each month's product costs, as a spreadsheet program in Germany saves them.

    /uploads/product_costs_YYYY-MM.csv     one row for each variant on the list at the month's start

Semicolons, decimal commas, Windows-1252, CRLF; no markers. The first file is dropped when the shop opens its books.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from zlib import crc32
from zoneinfo import ZoneInfo

from mock_apis.sftp.files import VirtualFile
from mock_apis.world.shop_model import Product, Variant
from mock_apis.world.world import World

COLUMNS = ("month", "variant_id", "sku", "supplier", "unit_cost", "currency")


def upload_files(world: World) -> Iterator[VirtualFile]:
    """Every file so far; its bytes and its time never change."""
    day = world.first_day
    while day <= world.today:
        dropped = datetime.combine(day, time(0, 30), ZoneInfo(world.timezone)).astimezone(UTC)
        text = io.StringIO()
        writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
        writer.writerow(COLUMNS)
        for product in world.products.values():
            if product.created_at < dropped:
                writer.writerows(_row(world, day, product, variant) for variant in product.variants)
        content = text.getvalue().encode("windows-1252")
        yield VirtualFile(f"/uploads/product_costs_{day:%Y-%m}.csv", dropped, content)
        day = date(day.year + day.month // 12, day.month % 12 + 1, 1)


def _row(world: World, day: date, product: Product, variant: Variant) -> tuple[str, ...]:
    # What a purchase costs moves a little from month to month; what the shop does not know is left empty.
    drift = crc32(f"{variant.id} {day:%Y-%m}".encode()) % 7 - 3
    cost = "" if variant.cost is None else f"{variant.cost * (100 + drift) // 100 / 100:.2f}".replace(".", ",")
    return f"{day:%Y-%m}", str(variant.id), variant.sku, product.vendor, cost, world.currency

"""The report: one file that needs nothing else, fit to show when the warehouse holds nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import psycopg
import pytest

from monitoring.report import write_report
from settings import HeadwaterError

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Its text, ids and tags; complains about a tag that is not closed in order."""

    def __init__(self, html: str):
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.labels: list[str] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [found["id"]] if found.get("id") else []
        self.links += [value for name in ("src", "href", "xlink:href") if (value := found.get(name))]
        if tag == "svg":
            self.labels.append(f"{found['role']}: {found['aria-label']}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_it_shows_the_delivered_day(delivered: str, tmp_path: Path) -> None:
    html = write_report(tmp_path / "reports" / "index.html", delivered).read_text()
    page = Page(html)
    first, *_, last = page.labels
    assert first.startswith("img: Net sales by day and region.") and "30 days to" in first
    assert last.startswith("img: Quality score for each of 30 days")
    for shown in ("delivered", "email", "stale", "marts.daily_sales_by_region", "120 rows, the first 5", "dbt: unique"):
        assert shown in page.text
    for escaped in ("the value is not of type", '<b>"nobody"</b>', "Mug <b>large</b>"):
        assert escaped in page.text
    assert "<b>" not in html
    assert len(set(page.ids)) == len(page.ids)
    assert all(link.startswith("#") for link in page.links), "it must need nothing from elsewhere"
    assert set(re.findall(r"url\(#([^)]+)\)", html)) <= set(page.ids)
    assert "<details>" in html and "<details open" not in html


def test_it_shows_what_reconciliation_found_and_what_backfills_lack(delivered: str, tmp_path: Path) -> None:
    html = write_report(tmp_path / "index.html", delivered).read_text()
    section = html.split("held against the source")[1].split("The marts")[0]
    text = " ".join(re.sub("<[^>]+>", " ", section).split())
    assert "shopify.orders 500 497 3 0 3 0 24 h ago" in text
    assert "stripe.charges 1,000 995 5 2 6 1 24 h ago" in text
    assert "email.events cannot be reconciled: it has no list" in text
    assert "gone.orders" not in text
    assert "shopify.orders 1 Jan 2024 to 31 Jan 2024 2 of 4 windows, 1 failed" in text
    assert "2023" not in text


def test_an_empty_warehouse_is_no_error(new_warehouse: Callable[[str], str], tmp_path: Path) -> None:
    page = Page(write_report(tmp_path / "index.html", new_warehouse("report_empty")).read_text())
    assert "Nothing delivered yet" in page.text and "never arrived" in page.text and page.labels == []
    assert "No source has been held against raw yet." in page.text and "Backfills" not in page.text
    body = page.text.split("all its checks have passed")[1]
    assert body.count("unknown") == 4 and "100" not in body


def test_a_failed_day_is_told_above_the_published_one(
    delivered: str, new_warehouse: Callable[[str], str], tmp_path: Path
) -> None:
    url = new_warehouse("report_failed")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "insert into ops.deliveries (delivery_id, day, as_of, status, failed_stage, error)"
            " values (gen_random_uuid(), '2026-03-10', now(), 'failed', 'checks', 'key_unique on <script> failed')"
        )
    html = write_report(tmp_path / "index.html", url).read_text()
    assert "failed at checks" in html and "&lt;script&gt;" in html and "<script" not in html


def test_a_file_that_cannot_be_written_is_told_in_a_line(delivered: str, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(HeadwaterError, match="cannot be written"):
        write_report(tmp_path / "taken" / "index.html", delivered)

"""Rules 1, 2, 3 and 4 of the batch writer: one transaction, versions kept, counts balance, one writer a stream."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from settings import HeadwaterError
from tests.warehouse.cut_proxy import CutProxy
from warehouse.batch import Batch, Counts, LoadedFile, RawRow, Reject
from warehouse.fence import Fenced
from warehouse.writer import StreamBusy, StreamWriter

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)


def row(key: str, data: bytes = b'{"a":1}', minutes: int = 0) -> RawRow:
    return RawRow(key, T0 + timedelta(minutes=minutes), data, T0)


def batch(*rows: RawRow, cursor: int = 1, **more: object) -> Batch:
    return Batch(rows=rows, state={"cursor": cursor}, origin="test", **more)  # type: ignore[arg-type]


def query(url: str, text: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(text.encode()).fetchall()


def test_rule_1_rows_rejects_bookmark_and_counts_are_one_transaction(clean_warehouse: str) -> None:
    file = LoadedFile("ab" * 32, "orders.csv", 10, T0, 2)
    with StreamWriter("shopify", "orders") as writer:
        counts = writer.commit(batch(row("1"), row("2"), rejects=[Reject("3", b"{bad", ["no"])], files=[file]))
        assert counts == Counts(received=3, kept=2, already_there=0, rejected=1)
        broken = batch(row("4"), RawRow("5", T0, b"\xff", T0), cursor=2)
        with pytest.raises(UnicodeDecodeError):
            writer.commit(broken)
    assert query(clean_warehouse, "select record_key from raw.shopify_orders order by 1") == [("1",), ("2",)]
    assert query(clean_warehouse, "select state->>'cursor' from ops.checkpoints") == [("1",)]
    assert query(clean_warehouse, "select record, errors from ops.quarantine") == [(b"{bad", ["no"])]
    assert query(clean_warehouse, "select received, kept, rejected from ops.loads") == [(3, 2, 1)]
    assert query(clean_warehouse, "select name, records from ops.files") == [("orders.csv", 2)]


@pytest.mark.fault(
    "The COMMIT is done and its reply is lost",
    "After connecting again the manifest says that the batch is in: it is not written twice.",
)
def test_rule_1_a_batch_whose_commit_reply_was_lost_is_not_written_twice(clean_warehouse: str) -> None:
    proxy = CutProxy(clean_warehouse)
    with StreamWriter("shopify", "orders", url=proxy.url) as writer:
        proxy.cut_after = b"COMMIT\0"
        assert writer.commit(batch(row("1"))) == Counts(1, 1, 0, 0)
        assert proxy.cuts == 1
        assert writer.commit(batch(row("2"), cursor=2)) == Counts(1, 1, 0, 0)
    proxy.close()
    assert query(clean_warehouse, "select count(*), sum(kept) from ops.loads") == [(2, 2)]
    assert query(clean_warehouse, "select status from ops.runs") == [("succeeded",)]


@pytest.mark.fault(
    "The connection is lost in the middle of a COPY",
    "The batch is written again, whole, on a new connection.",
)
@pytest.mark.parametrize("megabytes", [0, 3])
def test_rule_1_a_connection_lost_within_a_copy_writes_the_batch_again(clean_warehouse: str, megabytes: int) -> None:
    """Before its first byte has reached the server, and after so many have."""
    rows = [row(f"{number}", b'"%s"' % (b"x" * 100_000)) for number in range(60)]
    proxy = CutProxy(clean_warehouse)
    with StreamWriter("shopify", "orders", url=proxy.url) as writer:
        proxy.let_through = False
        proxy.cut_after, proxy.but_first = b"PGCOPY", megabytes * 1_000_000
        assert writer.commit(batch(*rows)) == Counts(60, 60, 0, 0)
        assert proxy.cuts == 1
        assert megabytes * 1_000_000 <= proxy.passed < (megabytes + 1) * 1_000_000
    proxy.close()
    assert query(clean_warehouse, "select count(*) from raw.shopify_orders") == [(60,)]
    assert query(clean_warehouse, "select count(*) from ops.loads") == [(1,)]


def test_rule_2_every_version_is_kept_once_with_its_exact_bytes(clean_warehouse: str) -> None:
    first, later = b'{"id": 1,  "note":"\\u0000 \\ud800"}', b'{"id":1,"note":"b"}'
    with StreamWriter("shopify", "orders") as writer:
        writer.commit(batch(row("1", first), row("1", first)))
        counts = writer.commit(batch(row("1", first), row("1", later), row("1", later, minutes=1)))
        assert counts == Counts(received=3, kept=2, already_there=1, rejected=0)
    stored = query(
        clean_warehouse,
        "select source_data::text, content_hash from raw.shopify_orders order by record_version, _load_timestamp",
    )
    assert stored == [(data.decode(), hashlib.sha256(data).digest()) for data in (first, later, later)]


@pytest.mark.fault("The counts of a batch do not balance", "The database refuses its manifest, and with it the batch.")
def test_rule_3_counts_that_do_not_balance_are_refused_by_the_database(clean_warehouse: str) -> None:
    with StreamWriter("shopify", "orders") as writer:
        writer.commit(batch(row("1"), skipped=2))
    assert query(clean_warehouse, "select received, rejected, skipped from ops.loads") == [(3, 2, 2)]
    with psycopg.connect(clean_warehouse) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("update ops.loads set kept = kept + 1")


def test_rule_3_the_same_bytes_are_quarantined_once_for_each_record_and_version(clean_warehouse: str) -> None:
    bad = Reject("1", b"{}", ["no"], version=T0)
    others = [bad._replace(key="2"), bad._replace(version=T0 + timedelta(days=1)), bad._replace(deleted=True)]
    with StreamWriter("shopify", "orders") as writer:
        for _ in range(2):  # an overlap brings them all again
            writer.commit(batch(rejects=[bad, *others, Reject(None, b"{", ["no"])]))
    assert query(clean_warehouse, "select count(*) from ops.quarantine") == [(5,)]


def test_rule_4_a_second_run_of_a_stream_is_refused_while_one_is_open(clean_warehouse: str) -> None:
    with StreamWriter("shopify", "orders"):
        with pytest.raises(StreamBusy, match=r"shopify\.orders is being loaded by another run"):
            StreamWriter("shopify", "orders").__enter__()
        with StreamWriter("shopify", "customers"):
            pass


def test_rule_4_a_paused_run_cannot_write_over_a_newer_one(clean_warehouse: str) -> None:
    paused = StreamWriter("shopify", "orders").__enter__()
    # The paused run's session is lost with its lock, as when its machine was suspended; its successor runs to the end.
    query(
        clean_warehouse,
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'headwater shopify.orders'",
    )
    with StreamWriter("shopify", "orders") as successor:
        successor.commit(batch(row("new"), cursor=9))
    with pytest.raises(Fenced):
        paused.commit(batch(row("old"), cursor=3))
    assert query(clean_warehouse, "select record_key from raw.shopify_orders") == [("new",)]
    assert query(clean_warehouse, "select state->>'cursor' from ops.checkpoints") == [("9",)]
    ends = query(clean_warehouse, "select status from ops.runs order by started_at")
    assert ends == [("failed",), ("succeeded",)]


def test_rule_4_a_paused_run_is_not_told_what_is_loaded_once_a_newer_one_has_opened_the_stream(
    clean_warehouse: str,
) -> None:
    """Nor one that has ended: it would hold the stream's lock again."""
    paused = StreamWriter("shopify", "orders").__enter__()
    query(
        clean_warehouse,
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'headwater shopify.orders'",
    )
    with StreamWriter("shopify", "orders") as successor:
        pass
    with pytest.raises(Fenced):
        paused.known.objects(["a"])
    paused.__exit__(Fenced, Fenced("it was"), None)
    with pytest.raises(HeadwaterError, match=r"This run of shopify\.orders has ended"):
        successor.known.objects(["a"])
    with StreamWriter("shopify", "orders"):
        pass


def test_that_the_end_of_a_failed_run_could_not_be_written_down_is_logged(
    clean_warehouse: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ZeroDivisionError), StreamWriter("shopify", "orders") as writer:
        writer._connection.execute("set lock_timeout = '10ms'")
        with psycopg.connect(clean_warehouse) as rival:
            rival.execute("lock table ops.runs")
            writer.__exit__(ZeroDivisionError, ZeroDivisionError("x"), None)
        raise ZeroDivisionError
    assert "shopify.orders: that its run failed could not be written down: canceling statement" in caplog.text


@pytest.mark.fault("A run ends without a word", "Its successor closes it as failed, with that reason.")
def test_a_run_that_was_killed_is_closed_by_its_successor(clean_warehouse: str) -> None:
    killed = StreamWriter("shopify", "orders").__enter__()
    killed._connection.close()
    with StreamWriter("shopify", "orders"):
        pass
    ends = query(clean_warehouse, "select status, error from ops.runs order by started_at")
    assert ends == [("failed", "ended without a word; it was killed or lost its connection"), ("succeeded", None)]

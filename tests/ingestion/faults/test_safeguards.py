"""Each safeguard is taken out of a copy of the code: the test that stands for it must go red.

`old` must stand in the file exactly once, however it is broken into lines; when it does not, the safeguard has moved
and this table goes with it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import ROOT

COPIED = ("ingestion", "warehouse", "settings", "local", "mock_apis", "tests", "pipeline.yml", "pyproject.toml")


class Safeguard(NamedTuple):
    """`file` with `old` replaced by `new` is the code without it; `test` is the one that must fail then."""

    name: str
    file: str
    old: str
    new: str
    test: str


BATCH, RULES, WINDOW = (
    f"tests/{name}.py::" for name in ("warehouse/test_batch", "ingestion/test_rules", "ingestion/test_window")
)
HTTP, EMAIL, APP, EXPORTS, KAFKA, WEBHOOKS, BACKFILL = (
    f"tests/ingestion/test_{name}.py::"
    for name in ("http", "email", "app_database", "google_analytics", "kafka", "webhooks", "backfill")
)
SAFEGUARDS = [
    Safeguard(
        "the lock of the stream",
        "warehouse/writer.py",
        'select pg_try_advisory_lock(hashtextextended(%s, 0))"',
        'select %s::text is not null"',
        BATCH + "test_rule_4_a_second_run_of_a_stream_is_refused_while_one_is_open",
    ),
    Safeguard(
        "the fence",
        "warehouse/batch.py",
        "and stream = %s and fence = %s",
        "and stream = %s and fence >= %s",
        BATCH + "test_rule_4_a_paused_run_cannot_write_over_a_newer_one",
    ),
    Safeguard(
        "the lookback",
        "ingestion/window.py",
        "- self.context.settings.lookback_of(self.name)",
        "",
        WINDOW + "test_rule_5_the_next_window_overlaps_by_the_lookback_and_an_empty_one_still_moves_the_watermark",
    ),
    Safeguard(
        "the hash in the key",
        "warehouse/raw_tables.py",
        "primary key (record_key, record_version, content_hash)",
        "primary key (record_key, record_version)",
        BATCH + "test_rule_2_every_version_is_kept_once_with_its_exact_bytes",
    ),
    Safeguard(
        "the frozen bound",
        "ingestion/window.py",
        'end = parse_time(window["end"], "end")',
        "end = self.source_now() - self.settle",
        WINDOW + "test_rule_5_a_window_that_was_broken_off_is_ended_as_it_was_begun",
    ),
    Safeguard(
        "the time that a source is given to list a change",
        "ingestion/window.py",
        "end = (self.source_now() - self.settle)",
        "end = self.source_now()",
        WINDOW + "test_rule_5_the_upper_bound_is_fixed_at_the_start_and_the_watermark_moves_at_the_end",
    ),
    Safeguard(
        "the retry",
        "ingestion/http.py",
        "if attempt == self._http.attempts:",
        "if attempt:",
        HTTP + "test_what_may_pass_is_tried_again",
    ),
    Safeguard(
        "the look at the manifest after a lost connection",
        "warehouse/writer.py",
        "if reconnected and (found := self._committed(batch.load_id)) is not None:",
        "if not reconnected and (found := self._committed(batch.load_id)) is not None:",
        BATCH + "test_rule_1_a_batch_whose_commit_reply_was_lost_is_not_written_twice",
    ),
    Safeguard(
        "the second try to commit a batch",
        "warehouse/writer.py",
        "if attempt == COMMIT_ATTEMPTS: raise failed(error) from error time.sleep",
        "if attempt:\n                    raise failed(error) from error\n                time.sleep",
        BATCH + "test_rule_1_a_connection_lost_within_a_copy_writes_the_batch_again",
    ),
    Safeguard(
        "the lock of a backfill's window",
        "warehouse/windows.py",
        'return f"{self.source}.{self.stream}, window {self.window[1]} of backfill {self.window[0]}"',
        'return f"{uuid.uuid4()}"',
        BACKFILL + "test_a_window_has_one_writer_and_a_fence",
    ),
    Safeguard(
        "the fence of a backfill's window",
        "warehouse/batch.py",
        "backfill_id = %s and number = %s and fence = %s",
        "backfill_id = %s and number = %s and fence >= %s",
        BACKFILL + "test_a_window_has_one_writer_and_a_fence",
    ),
    Safeguard(
        "the second try to fetch an object of S3",
        "ingestion/s3.py",
        "if attempt == self._http.attempts:",
        "if attempt:",
        EXPORTS + "test_a_busy_or_breaking_bucket_is_tried_again_and_not_for_ever",
    ),
    Safeguard(
        "the second try to fetch a file by SFTP",
        "ingestion/sftp.py",
        "tired = attempt == attempts or",
        "tired = attempt > 0 or",
        EMAIL + "test_a_transfer_that_breaks_is_tried_again",
    ),
    Safeguard(
        "the second look at the record before an offset",
        "ingestion/paging.py",
        'if not answer.records or key_of(answer.records[0]) != cursor["after"]:',
        "if not answer.records:",
        "tests/ingestion/test_paging.py::test_a_record_that_leaves_while_the_list_is_counted_makes_no_other_slip",
    ),
    Safeguard(
        "the batch's one transaction",
        "warehouse/batch.py",
        "with connection.transaction(): _move_bookmark",
        "if connection:\n        _move_bookmark",
        BATCH + "test_rule_1_rows_rejects_bookmark_and_counts_are_one_transaction",
    ),
    Safeguard(
        "the balance of the counts",
        "ingestion/sync.py",
        "run.check_balance()",
        "pass",
        RULES + "test_rule_3_a_run_whose_counts_do_not_balance_fails_loudly",
    ),
    Safeguard(
        "the check of a file before its first row",
        "ingestion/csv_files.py",
        'raise csv.Error(f"{len(row)} columns where the header has {len(header)}")',
        "continue",
        EMAIL + "test_nothing_of_a_broken_file_is_loaded_and_the_others_are",
    ),
    Safeguard(
        "the count that a sweep's listing must reach",
        "ingestion/sweep.py",
        "if seen != counted:",
        "if seen > counted:",
        APP + "test_the_sweep_concludes_nothing_from_a_partial_listing",
    ),
    Safeguard(
        "the share of a table that may vanish at once",
        "ingestion/sweep.py",
        "if self.gone > max(FEW, self._most * alive):",
        "if self.gone > alive:",
        APP + "test_nothing_is_deleted_for_a_table_that_is_being_refilled_and_the_window_is_read_all_the_same",
    ),
    Safeguard(
        "the cursor through which a table is read",
        "ingestion/tables.py",
        'cursor.stream(f"fetch {FETCH_ROWS} from answer".encode())',
        'cursor.execute("fetch all from answer").fetchall()',
        APP + "test_rule_7_a_big_table_comes_from_the_server_as_it_is_read",
    ),
    Safeguard(
        "the look at the fence before a question after a lost connection",
        "warehouse/writer.py",
        "check_fence(self._connection, self._run)",
        "pass",
        BATCH + "test_rule_4_a_paused_run_is_not_told_what_is_loaded_once_a_newer_one_has_opened_the_stream",
    ),
    Safeguard(
        "the end of a topic at a run's begin",
        "ingestion/kafka_topic.py",
        "if message.error() is None and arrived.offset < end:",
        "if message.error() is None:",
        KAFKA + "test_rule_5_what_comes_while_a_run_reads_belongs_to_the_next",
    ),
    Safeguard(
        "the ETag in the list of loaded objects",
        "ingestion/daily_export.py",
        "if (it.name, it.etag) not in loaded",
        "if it.name not in dict(loaded)",
        EXPORTS + "test_a_corrected_day_replaces_the_day",
    ),
    Safeguard(
        "the wait for the whole of a corrected day",
        "ingestion/daily_export.py",
        "and day.is_complete(now, self._settle)",
        "",
        EXPORTS + "test_a_corrected_day_replaces_the_day",
    ),
    Safeguard(
        "the check of a topic's oldest offset",
        "ingestion/kafka_stream.py",
        "elif there.low > place.next:",
        "elif there.low < 0:",
        KAFKA + "test_offsets_that_retention_deleted_are_told_and_never_skipped_silently",
    ),
    Safeguard(
        "the check of a webhook's signature",
        "ingestion/webhooks/signatures.py",
        "return any(matches)",
        "return bool(matches)",
        WEBHOOKS + "test_what_is_not_signed_too_large_or_not_json_is_refused_without_a_reason",
    ),
    Safeguard(
        "the five minutes of a signature",
        "ingestion/webhooks/signatures.py",
        "if abs(now - int(times[0])) > STRIPE_TOLERANCE_SECONDS:",
        "if not times:",
        WEBHOOKS + "test_a_signature_holds_for_its_exact_body_its_secret_and_five_minutes",
    ),
    Safeguard(
        "the one row for an event that is sent again",
        "ingestion/webhooks/store.py",
        "on conflict (source, event_id) do update set deliveries",
        "on conflict (source, event_id) do update set event_id = e.event_id || clock_timestamp(), deliveries",
        WEBHOOKS + "test_an_event_is_stored_byte_for_byte_once_however_often_it_is_sent",
    ),
]


@pytest.mark.parametrize(
    "safeguard",
    [
        pytest.param(
            each,
            id=each.name,
            marks=pytest.mark.fault(f"Somebody removes {each.name}", f"`{each.test.partition('::')[2]}` goes red."),
        )
        for each in SAFEGUARDS
    ],
)
def test_a_safeguard_that_is_removed_turns_its_test_red(safeguard: Safeguard, tmp_path: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    file = tmp_path / safeguard.file
    anyhow_broken = r"\s*".join(re.escape(word) for word in re.findall(r"\w+|[^\w\s]", safeguard.old))
    text, found = re.subn(anyhow_broken, lambda _: safeguard.new, file.read_text())
    assert found == 1, f"{safeguard.name} is {found} times in {safeguard.file} as this table says; mend the table"
    file.write_text(text)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", safeguard.test],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1, f"without {safeguard.name} its test stays green\n{done.stdout[-2000:]}{done.stderr}"
    assert "1 failed" in done.stdout, done.stdout[-2000:]

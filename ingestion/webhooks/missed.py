"""How much polling still found that no webhook had brought."""

from __future__ import annotations

from psycopg import sql

from ingestion.webhooks.senders import told_of
from warehouse.connection import connect

# A version from before the first event was nobody's to tell, and one that is not the newest is no news. What a load of
# webhooks or a replay wrote was not missed.
COUNT = """
with polled as (
  select count(*) as missed
  from raw.{table} r
  join ops.webhook_streams w on w.source = {source} and w.stream = {stream}
  join ops.loads l on l.load_id = r._load_id
  join ops.runs on runs.run_id = l.run_id and runs.kind = 'sync'
  where r._load_timestamp > w.counted_up_to and r.record_version >= w.since
    and not exists (
      select from raw.{table} n where n.record_key = r.record_key and n.record_version > r.record_version
    )
)
update ops.webhook_streams set missed = webhook_streams.missed + polled.missed, counted_up_to = clock_timestamp()
from polled where source = {source} and stream = {stream}
"""


def count_missed(source: str, stream: str, source_type: str, url: str | None = None) -> None:
    """Count what the syncs since the last count found new; the caller holds the stream's lock.

    A version whose webhook was still on its way when polling came counts too.
    """
    if not told_of(source_type, stream):
        return
    names = {"table": sql.Identifier(f"{source}_{stream}"), "source": sql.Literal(source)}
    with connect("loader", url=url) as connection:
        connection.execute(sql.SQL(COUNT).format(**names, stream=sql.Literal(stream)))

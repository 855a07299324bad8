-- As in raw, a version is its key, time and bytes. The same bytes may come again: of another record (a key that stands
-- beside them), or after a good version of the same one, and then they are news that a replay must bring.
drop index ops.quarantine_source_stream_content_hash_idx;
create unique index quarantine_identity
on ops.quarantine (source, stream, content_hash, md5(record_key), record_version, deleted)
nulls not distinct where status in ('open', 'discarded');

-- A record that somebody has decided against keeps its bytes until retention ends.
alter table ops.quarantine
  add column discarded_by text,
  add column discard_reason text,
  add constraint discarded_for_a_reason check (
    status <> 'discarded' or (discarded_by is not null and discard_reason is not null)
  ) not valid;

-- What was discarded and is read again (an overlap, a backfill) does not ask for the same decision anew.
drop index ops.quarantine_source_stream_content_hash_idx;
create unique index on ops.quarantine (source, stream, content_hash) where status in ('open', 'discarded');

-- For the foreign keys: without these each deleted load would be looked for in the whole table.
create index on ops.quarantine (load_id);
create index on ops.quarantine (resolved_load_id) where resolved_load_id is not null;
create index on ops.files (load_id);
create index on ops.scorecards (delivery_id);

create table ops.pruned (
  source text not null,
  stream text not null,
  kept bigint not null default 0,
  already_there bigint not null default 0,
  rejected bigint not null default 0,
  succeeded bigint not null default 0,
  failed bigint not null default 0,
  primary key (source, stream)
);
comment on table ops.pruned is
'The counts of loads, and of syncs by how they ended, that retention has deleted: the exporter''s counters never fall.';

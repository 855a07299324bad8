create table ops.reconciliations (
  reconciliation_id uuid not null,
  source text not null,
  stream text not null,
  window_start timestamptz,
  window_end timestamptz not null,
  at_source bigint not null,
  in_raw bigint not null,
  missing bigint not null,
  differing bigint not null,
  repaired bigint not null,
  only_in_raw bigint not null,
  in_quarantine bigint not null,
  details jsonb not null,
  finished_at timestamptz not null default clock_timestamp(),
  primary key (reconciliation_id, stream),
  constraint repaired_were_found check (repaired <= missing + differing)
);
create index on ops.reconciliations (source, stream, finished_at);
comment on table ops.reconciliations is
'What each source had against raw: one row for each stream and reconciliation, counted before anything was repaired.';
comment on column ops.reconciliations.window_end is 'Created up to then; never later than the stream''s watermark.';
comment on column ops.reconciliations.differing is 'Records whose amount, or whose version, was not the source''s.';
comment on column ops.reconciliations.repaired is 'Those of missing and differing that were right after a new fetch.';
comment on column ops.reconciliations.only_in_raw is 'Live in raw, and not listed by the source: deleted there, mostly.';
comment on column ops.reconciliations.in_quarantine is 'Not in raw because they broke their contract; they are not counted as missing.';
comment on column ops.reconciliations.details is 'The days on which counts or sums differ, and the first keys of each kind.';

grant select, insert on ops.reconciliations to loader;

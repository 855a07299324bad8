create table ops.runs (
  run_id uuid primary key,
  source text not null,
  stream text not null,
  status text not null default 'running' check (status in ('running', 'succeeded', 'failed')),
  started_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  error text
);
create index on ops.runs (source, stream, started_at);
comment on table ops.runs is 'One row for each sync of a stream; its counts are the sums of its loads.';

create table ops.checkpoints (
  source text not null,
  stream text not null,
  state jsonb not null default '{}',
  fence bigint not null default 0,
  watermark timestamptz,
  last_record_at timestamptz,
  updated_at timestamptz not null default clock_timestamp(),
  primary key (source, stream)
);
comment on column ops.checkpoints.fence is 'Raised by every run that opens the stream; a batch of an older run is refused.';
comment on column ops.checkpoints.watermark is 'Everything that the source had up to this time (by its own clock) is here.';
comment on column ops.checkpoints.last_record_at is 'The newest version (by the source''s clock) that was received.';

create table ops.loads (
  load_id uuid primary key,
  run_id uuid not null references ops.runs,
  source text not null,
  stream text not null,
  received bigint not null,
  kept bigint not null,
  already_there bigint not null,
  rejected bigint not null,
  skipped bigint not null default 0,
  bytes bigint not null,
  origin text not null,
  committed_at timestamptz not null default clock_timestamp(),
  constraint counts_balance check (kept + already_there + rejected = received),
  constraint skipped_are_rejected check (skipped <= rejected)
);
create index on ops.loads (run_id);
create index on ops.loads (committed_at);
comment on table ops.loads is 'The manifest: one row for each committed batch, written in the batch''s own transaction.';
comment on column ops.loads.skipped is 'Those of `rejected` whose stream''s policy is `skip`: counted, not stored.';

create table ops.files (
  source text not null,
  stream text not null,
  sha256 text not null,
  name text not null,
  size bigint not null,
  modified_at timestamptz not null,
  records bigint not null,
  load_id uuid not null references ops.loads,
  loaded_at timestamptz not null default clock_timestamp(),
  primary key (source, stream, sha256)
);
create index on ops.files (source, stream, name);
comment on table ops.files is 'The files that are loaded whole. A file is its content''s SHA-256, not its name.';

create table ops.quarantine (
  quarantine_id bigint generated always as identity primary key,
  source text not null,
  stream text not null,
  record_key text,
  record bytea not null,
  content_hash bytea not null,
  errors text[] not null,
  origin text not null,
  load_id uuid not null references ops.loads,
  quarantined_at timestamptz not null default clock_timestamp(),
  status text not null default 'open' check (status in ('open', 'replayed', 'discarded')),
  resolved_at timestamptz,
  resolved_load_id uuid references ops.loads
);
create unique index on ops.quarantine (source, stream, content_hash) where status = 'open';
create index on ops.quarantine (quarantined_at);

create table ops.deliveries (
  delivery_id uuid primary key,
  day date not null,
  as_of timestamptz not null,
  status text not null default 'open' check (status in ('open', 'passed', 'failed', 'published')),
  stale_sources text[] not null default '{}',
  checks_declared integer,
  checks_executed integer,
  failed_stage text,
  error text,
  opened_at timestamptz not null default clock_timestamp(),
  published_at timestamptz,
  finished_at timestamptz
);
create index on ops.deliveries (opened_at);
comment on column ops.deliveries.as_of is 'Up to this time, by the sources'' clocks, every critical source is complete.';
comment on column ops.deliveries.day is 'The last whole day of the shop before as_of.';

create table ops.publications (
  delivery_id uuid not null references ops.deliveries,
  mart text not null,
  row_count bigint not null,
  primary key (delivery_id, mart)
);

create table ops.check_results (
  result_id bigint generated always as identity primary key,
  delivery_id uuid not null references ops.deliveries,
  layer text not null check (layer in ('dbt', 'delivery', 'reconciliation')),
  kind text not null,
  name text not null,
  subject text not null,
  severity text not null check (severity in ('error', 'warn')),
  status text not null check (status in ('passed', 'warned', 'failed', 'errored', 'skipped')),
  observed text,
  seconds double precision,
  executed_at timestamptz not null default clock_timestamp()
);
create index on ops.check_results (delivery_id);
comment on column ops.check_results.kind is 'model, seed, snapshot, unit_test, or the name of the test or expectation.';

create table ops.scorecards (
  day date not null,
  metric text not null,
  subject text not null default '',
  value double precision,
  unit text not null,
  status text not null check (status in ('good', 'warning', 'bad', 'unknown')),
  detail text,
  delivery_id uuid references ops.deliveries,
  measured_at timestamptz not null default clock_timestamp(),
  primary key (day, metric, subject)
);
comment on table ops.scorecards is 'One row for a day, a metric and its subject (a source, a kind of test); value is null when nothing was measured.';

grant select, insert, update on ops.runs, ops.checkpoints, ops.quarantine to loader;
grant select, insert on ops.loads, ops.files to loader;
grant select on all tables in schema ops to checker, monitor;
grant insert on ops.check_results to checker;
grant insert, update on ops.scorecards, ops.deliveries to checker;
alter default privileges in schema ops grant select on tables to checker, monitor;

create table ops.backfills (
  backfill_id uuid primary key default gen_random_uuid(),
  source text not null,
  stream text not null,
  range_start timestamptz not null,
  range_end timestamptz not null,
  windows integer not null check (windows > 0),
  created_at timestamptz not null default clock_timestamp(),
  unique (source, stream, range_start, range_end, windows),
  check (range_start < range_end)
);
comment on table ops.backfills is 'A range of a stream that is read again, cut into windows. The same command again is the same row.';

create table ops.backfill_windows (
  backfill_id uuid not null references ops.backfills,
  number integer not null,
  window_start timestamptz not null,
  window_end timestamptz not null,
  status text not null default 'pending' check (status in ('pending', 'running', 'done', 'failed')),
  state jsonb not null default '{}',
  fence bigint not null default 0,
  error text,
  updated_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  primary key (backfill_id, number),
  check (window_start < window_end)
);
comment on table ops.backfill_windows is 'The bookmark of each window; the stream''s own, in ops.checkpoints, knows nothing of it.';
comment on column ops.backfill_windows.fence is 'Raised by every run that opens the window; a batch of an older run is refused.';

alter table ops.runs
  add column backfill_id uuid,
  add column window_number integer,
  add foreign key (backfill_id, window_number) references ops.backfill_windows;
create index on ops.runs (backfill_id, window_number) where backfill_id is not null;
comment on column ops.runs.kind is
  'sync (reads on from the bookmark), or what else wrote: replay, webhooks, reconciliation, backfill.';
comment on column ops.runs.window_number is 'Of a backfill: its window. What a window received is the sum of its runs'' loads.';

grant select, insert on ops.backfills to loader;
grant select, insert, update on ops.backfill_windows to loader;

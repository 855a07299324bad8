-- A run that webhooks or a replay caused says nothing of how the stream's own syncs go.
alter table ops.runs add column kind text not null default 'sync';
comment on column ops.runs.kind is 'sync (reads on from the bookmark), or what else wrote: replay, webhooks.';

create table ops.webhook_events (
  source text not null,
  event_id text not null,
  topic text not null,
  occurred_at timestamptz not null,
  purpose text not null default 'data' check (purpose in ('data', 'privacy')),
  body bytea not null,
  headers jsonb not null,
  streams text[] not null,
  received_at timestamptz not null default clock_timestamp(),
  deliveries integer not null default 1,
  status text not null default 'pending' check (status in ('pending', 'processed', 'failed')),
  attempts integer not null default 0,
  try_after timestamptz not null default clock_timestamp(),
  error text,
  finished_at timestamptz,
  primary key (source, event_id)
);
create index on ops.webhook_events (source, occurred_at) where status = 'pending';
create index on ops.webhook_events (finished_at);
comment on table ops.webhook_events is 'What senders told, stored before they were thanked; one row however often it was sent.';
comment on column ops.webhook_events.body is 'The exact bytes that were signed.';
comment on column ops.webhook_events.occurred_at is 'The sender''s time of the event.';
comment on column ops.webhook_events.purpose is 'privacy: a request about a person; it stays pending until it has been carried out.';
comment on column ops.webhook_events.streams is 'The streams that have yet to fetch what this event tells of.';

create table ops.webhook_streams (
  source text not null,
  stream text not null,
  since timestamptz not null,
  counted_up_to timestamptz not null default clock_timestamp(),
  missed bigint not null default 0,
  primary key (source, stream)
);
comment on table ops.webhook_streams is 'The streams that webhooks have told of, and what polling still found new.';
comment on column ops.webhook_streams.since is 'The sender''s time of the first event that was applied.';
comment on column ops.webhook_streams.missed is 'Versions since then that a sync brought before any webhook did.';

grant select, insert, update, delete on ops.webhook_events to loader;
grant select, insert, update on ops.webhook_streams to loader;
-- Bodies hold personal data: who watches the pipeline may count events, not read them.
revoke select on ops.webhook_events from monitor, checker;
grant select (source, event_id, topic, occurred_at, purpose, streams, received_at, deliveries, status, attempts, finished_at)
  on ops.webhook_events to monitor, checker;

-- Refused deliveries leave no event behind, and events are forgotten after a while: their numbers stay here.
create table ops.webhook_inboxes (
  source text primary key,
  received bigint not null default 0,
  signatures_rejected bigint not null default 0
);
comment on table ops.webhook_inboxes is 'The sources that a receiver takes webhooks for, and what came for each.';
comment on column ops.webhook_inboxes.received is 'Events that were signed and stored; one sent again is not counted again.';
comment on column ops.webhook_inboxes.signatures_rejected is 'Deliveries that none of the secrets had signed.';

grant select, insert, update on ops.webhook_inboxes to loader;

create index on ops.webhook_events (source) where status = 'failed';

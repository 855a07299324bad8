alter table ops.deliveries add column settings jsonb;
comment on column ops.deliveries.settings is
  'What the models were built with (time zone, currency, attribution window …): a change asks for a full refresh.';

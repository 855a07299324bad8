alter table ops.quarantine
  add column record_version timestamptz,
  add column deleted boolean not null default false;
comment on column ops.quarantine.record_version is
  'The source''s time of this version where it stands beside the record and not in it; a replay needs it.';

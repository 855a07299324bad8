create table ops.delivery_sources (
  delivery_id uuid not null references ops.deliveries,
  source text not null,
  stream text not null,
  complete_to timestamptz,
  run_id uuid,
  primary key (delivery_id, source, stream)
);
comment on table ops.delivery_sources is
'How complete each stream was when a delivery began: the models of that delivery hold at least this much.';
comment on column ops.delivery_sources.complete_to is 'Up to this time, by the source''s clock; null: never loaded whole.';
comment on column ops.delivery_sources.run_id is 'The newest run of the stream that had succeeded by then (ops.runs).';

create table ops.mart_sources (
  delivery_id uuid not null references ops.deliveries,
  mart text not null,
  source text not null,
  stream text not null,
  primary key (delivery_id, mart, source, stream)
);
comment on table ops.mart_sources is 'Which streams each mart is made of, as dbt''s manifest of the delivery has it.';

alter table ops.deliveries add column dbt_invocation_id text;
comment on column ops.deliveries.dbt_invocation_id is 'The run of dbt that built the candidate; it names dbt''s own logs and artifacts.';

grant insert on ops.delivery_sources to checker;
grant insert, delete on ops.mart_sources to checker;

-- For `dbt source freshness`.
grant usage on schema ops to transformer;
grant select on ops.checkpoints to transformer;

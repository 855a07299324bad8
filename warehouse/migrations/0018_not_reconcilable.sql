alter table ops.reconciliations add column not_reconcilable text;
comment on column ops.reconciliations.not_reconcilable is
'Why the source cannot be compared at all; the counts are zeros then and say nothing.';

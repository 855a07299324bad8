-- A check that was declared but never ran is kept too, so that what ran can be held against what was declared.
alter table ops.check_results add column executed boolean not null default true;
comment on column ops.check_results.executed is 'False: declared, but skipped or never reached.';

-- A step that is run again replaces what its first try wrote.
grant delete on ops.check_results, ops.scorecards to checker;

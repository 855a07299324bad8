-- Grafana's own login: what reporter may and nothing else, and no query of a dashboard may run for long.
do $$
begin
  if not exists (select from pg_roles where rolname = 'dashboard') then
    begin
      create role dashboard nologin;
    exception when duplicate_object or unique_violation then
      null; -- another database of this cluster was migrated in the same instant
    end;
  end if;
  if not pg_has_role('dashboard', 'reporter', 'member') then
    grant reporter to dashboard;
  end if;
end
$$;

alter role dashboard set statement_timeout = '15s';

-- Roles are the cluster's, schemas the database's. A role gets a login only when its password is set (see migrate.py).
do $$
declare
  name text;
begin
  foreach name in array array['loader', 'transformer', 'checker', 'monitor', 'reporter'] loop
    if not exists (select from pg_roles where rolname = name) then
      begin
        execute format('create role %I nologin', name);
      exception when duplicate_object or unique_violation then
        null; -- another database of this cluster was migrated in the same instant
      end;
    end if;
    if not pg_has_role(current_user, name, 'member') then
      execute format('grant %I to current_user', name);
    end if;
  end loop;
end
$$;

revoke create on schema public from public;

-- `ops` is there already: migrate.py keeps its own table in it.
create schema raw;
create schema staging;
create schema intermediate;
create schema marts_candidate;
create schema marts;

grant usage on schema raw, ops to loader;
grant usage on schema raw to transformer;
grant usage, create on schema staging, intermediate, marts_candidate to transformer;
grant usage on schema raw, staging, intermediate, marts_candidate, marts, ops to checker;
grant usage on schema ops to monitor;
grant usage on schema marts to reporter;

alter default privileges for role transformer in schema staging, intermediate, marts_candidate
  grant select on tables to checker;
alter default privileges in schema raw grant select on tables to transformer, checker;
alter default privileges in schema raw grant select, insert on tables to loader;

alter role reporter set statement_timeout = '60s';

-- Raw tables are partitioned by the month of record_version, so that an insert meets an index of one month however long
-- the history is. What is older than 2000 or younger than 2099 shares one partition each: a source that is wrong about
-- its times cannot fill the catalogue. Nobody reads a month by its name: the grants of the table hold for its months.
create schema raw_months;

-- The loader may not own tables: this makes the months that a batch needs, as their owner. Readers are not held up, a
-- second writer that wants the same month waits for the first.
create function raw.make_months(raw_table text, versions timestamptz[]) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp set timezone = 'UTC'
as $$
declare
  first_day timestamptz;
  month text;
  bounds text;
begin
  for first_day in
    select distinct case
      when version < '2000-01-01Z' then '-infinity'
      when version >= '2100-01-01Z' then '2100-01-01Z'
      else date_trunc('month', version)
    end
    from unnest(versions) as version
  loop
    if first_day = '-infinity' then
      month := raw_table || '_before_2000';
      bounds := 'minvalue) to (''2000-01-01Z''';
    elsif first_day = '2100-01-01Z' then
      month := raw_table || '_after_2099';
      bounds := '''2100-01-01Z'') to (maxvalue';
    else
      month := raw_table || to_char(first_day, '_YYYY_MM');
      bounds := format('%L) to (%L', first_day, first_day + interval '1 month');
    end if;
    continue when to_regclass(format('raw_months.%I', month)) is not null;
    execute format('lock table raw.%I in share update exclusive mode', raw_table);
    continue when to_regclass(format('raw_months.%I', month)) is not null;
    execute format(
      'create table raw_months.%I (like raw.%I including defaults including storage including compression)',
      month, raw_table
    );
    execute format('alter table raw.%I attach partition raw_months.%I for values from (%s)', raw_table, month, bounds);
  end loop;
end
$$;

revoke execute on function raw.make_months from public;
grant execute on function raw.make_months to loader;

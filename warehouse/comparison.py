"""The SQL of a reconciliation: its temporary tables, and what is missing, different, moving or rejected in them."""

TABLES = """
create temporary table at_source (
  key text, day date, amount numeric, currency text, kind text, updated_at timestamptz, created_at timestamptz,
  of_stream text, of_key text, content text, deleted boolean,
  moved numeric, moved_currency text, moved_unit numeric, moved_rate numeric
);
create temporary table in_raw (
  key text, day date, amount numeric, currency text, kind text, version timestamptz, deleted boolean, content text,
  moved numeric, moved_currency text, moved_unit numeric
);
create temporary table changed (key text);
create temporary table wanted (key text primary key, what text);
create temporary table owed (stream text, key text, created_at timestamptz, primary key (stream, key));
"""
# What is only told as changed is no record of the list.
CHANGED = """
with told as (delete from at_source where created_at is null returning key)
insert into changed select key from told
"""
# A record that changed after the window's end, or after it was listed, is another run's affair; so is a new one.
MOVING = """
with moving as (
  delete from at_source s using in_raw r
  where r.key = s.key and (
    s.updated_at > %(end)s or (r.version > s.updated_at and r.version > %(end)s)
    or s.key in (select key from changed)
  )
  returning s.key
)
delete from in_raw where key in (select key from moving union select key from changed)
"""
NEW = "delete from at_source where created_at > %(end)s"
# Listed twice, the newer one stands, and of two alike the later.
TWICE = (
    "delete from at_source a using at_source b where a.key = b.key and (coalesce(a.updated_at, '-infinity'), a.ctid)"
    " < (coalesce(b.updated_at, '-infinity'), b.ctid)"
)
HELD = "exists (select from in_raw r where r.key = s.key and r.deleted = s.deleted)"
DIFFERS = (
    "(r.amount is distinct from s.amount or r.currency <> s.currency or r.kind <> s.kind or r.version < s.updated_at"
    " or (r.content <> s.content and '' not in (r.content, s.content)))"
)
# What was fetched and broke its contract is not missing, nor is it different as long as nothing newer is in raw.
REJECTED = """
delete from wanted w where exists (
  select from ops.quarantine q
  where q.source = %(source)s and q.stream = %(stream)s and q.record_key = w.key and q.status <> 'replayed'
    and (w.what = 'missing' or q.quarantined_at > (select max(_load_timestamp) from {} where record_key = w.key))
)
"""
DAYS = """
select coalesce(s.day, r.day), coalesce(s.kind, r.kind), coalesce(s.currency, r.currency),
  coalesce(s.records, 0), s.amount, coalesce(r.records, 0), r.amount
from (
  select day, kind, currency, count(*) as records, sum(amount) as amount from at_source where not deleted
  group by 1, 2, 3
) s
full join (
  select day, kind, currency, count(*) as records, sum(amount) as amount from in_raw where not deleted group by 1, 2, 3
) r on r.day = s.day and r.kind = s.kind and r.currency = s.currency
where s.records is distinct from r.records or s.amount is distinct from r.amount
order by 1, 2, 3
"""

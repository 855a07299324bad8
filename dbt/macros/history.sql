{#-
  The versions from which on the intervals of a key are cut anew: those at or after its earliest new one (`since`),
  one for each of the source's times. Ties go to the later load, then to the hash, as in current_versions.
-#}
{% macro versions_to_cut(versions, key) %}
    select distinct on (versions.{{ key }}, versions._record_version)
        versions.*,
        fresh.since
    from {{ versions }} as versions
    inner join (
        select
            {{ key }},
            min(_record_version) as since
        from {{ versions }}
        {{ where_changed() }}
        group by {{ key }}
    ) as fresh on versions.{{ key }} = fresh.{{ key }} and versions._record_version >= fresh.since
    order by
        versions.{{ key }}, versions._record_version, versions._load_timestamp desc, versions._content_hash desc
{% endmacro %}


{#-
  The intervals of this model's keys that have new versions: a slowly changing dimension of type 2, one row for as long
  as nothing in `tracked` changed. `changes` is a CTE with the key, created_at, changed_at, _record_version, is_deleted
  and the tracked columns of each version at or after `since`. What this model holds of the versions before stands for
  them, so an interval is cut anew only from the earliest new version on, however long the history is.

  - The first version that was seen is taken to have held since the record was made. An interval ends where the next
    one begins; a deletion begins one too (is_deleted), so no key has a gap. The last has no end.
  - A version in which nothing tracked has changed begins no interval.
  - `changed_at` is the source's own time of a change to `dates`, or to anything tracked: it is the interval's
    beginning where it lies between the versions that differ.
  - `_built_at` of an interval that is as it was, or has become shorter, stays: no moment in it has a new answer.

  unique_key must be `family`: the key, or what several keys come with, as a product's variants do.
-#}
{% macro intervals(changes, key, tracked, dates=none, family=none) %}
    {%- set family = family or key -%}
    {%- set keys = [family, key] if family != key else [key] -%}
    {%- set state = 'jsonb_build_array(is_deleted, ' ~ tracked | join(', ') ~ ')' -%}
    {%- set in_order = 'window in_order as (partition by ' ~ keys | join(', ') ~ ' order by _record_version)' -%}
    {%- set columns = keys + tracked + ['is_deleted', '_record_version'] %}

{% if is_incremental() %}
known as (
    select
        known.*,
        fresh.since,
        {{ state }} as state
    from {{ this }} as known
    inner join (select distinct {{ family }}, since from {{ changes }}) as fresh
        on known.{{ family }} = fresh.{{ family }}
),
{% endif %}

versions_in_order as (
    select {{ columns | join(', ') }}, created_at, changed_at, {{ state }} as state
    from {{ changes }}
    {% if is_incremental() %}
    union all
    select {{ columns | join(', ') }}, valid_from as created_at, valid_from as changed_at, state
    from known
    where _record_version < since
    {% endif %}
),

compared as (
    select
        *,
        lag(state) over in_order as state_before
    from versions_in_order
    {{ in_order }}
),

beginnings as (
    select
        *,
        {% if dates %}lag({{ dates }}) over in_order as dated_before,{% endif %}
        lag(_record_version) over in_order as version_before
    from compared
    where state is distinct from state_before
    {{ in_order }}
),

dated as (
    select
        *,
        case
            when version_before is null then least(created_at, _record_version)
            when
                changed_at > version_before
                and changed_at < _record_version
                {{ 'and (' ~ dates ~ ' is distinct from dated_before)' if dates }}
                then changed_at
            else _record_version
        end as valid_from
    from beginnings
),

intervals as (
    select
        *,
        lead(valid_from) over in_order as valid_to
    from dated
    {{ in_order }}
),

final as (
    select
        {% for column in keys + tracked %}intervals.{{ column }}, {% endfor %}
        intervals.valid_from,
        intervals.valid_to,
        intervals.valid_to is null as is_current,
        intervals.is_deleted,
        intervals._record_version,
        {{ 'coalesce(known._built_at, current_timestamp)' if is_incremental() else 'current_timestamp' }} as _built_at
    from intervals
    {% if is_incremental() %}
    left join known
        on
            intervals.{{ key }} = known.{{ key }}
            and intervals.valid_from = known.valid_from
            and intervals.state = known.state
            and coalesce(intervals.valid_to, 'infinity') <= coalesce(known.valid_to, 'infinity')
    {% endif %}
)
{% endmacro %}


{#- The condition of an as-of join: the row of a history that held at the moment. -#}
{% macro held_at(history, moment) -%}
    {{ moment }} >= {{ history }}.valid_from and {{ moment }} < coalesce({{ history }}.valid_to, 'infinity')
{%- endmacro %}

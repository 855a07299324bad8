{#-
  A literal: the newest `column` in this model so far, less an overlap. It is looked up before
  the query is written, and not within it, so that the planner sees a value and takes the index.
-#}
{% macro newest_seen(column, overlap='0 seconds') -%}
    {%- if execute and is_incremental() -%}
        {%- set newest -%}
            select coalesce(max({{ column }}) - interval '{{ overlap }}', '-infinity')::text from {{ this }}
        {%- endset -%}
        '{{ run_query(newest).columns[0].values()[0] }}'::timestamptz
    {%- else -%}
        '-infinity'::timestamptz
    {%- endif -%}
{%- endmacro %}


{#-
  The rows of a parent that were built since this model was; all of them at first. `_built_at` is
  when a model's transaction began, and a parent's has ended by then: so nothing is missed as long
  as one dbt run works on the warehouse at a time, which the delivery sees to.
-#}
{% macro where_changed() %}
    {% if is_incremental() %}
        where _built_at > {{ newest_seen('_built_at') }}
    {% endif %}
{% endmacro %}


{#-
  The rows of the CTE `now` that this model does not hold as they are; and of its rows `among` those looked at again
  the ones whose key is no more, marked `is_gone` for the reader to see and to remove. So what was only looked at again
  keeps its `_built_at`, and what is downstream follows what did change.
-#}
{% macro differences(now, key, columns, among) %}
    select
        differing.*,
        false as is_gone,
        current_timestamp as _built_at
    from (
        select {{ columns | join(', ') }} from {{ now }}
        {% if is_incremental() %}
            except
            select {{ columns | join(', ') }} from {{ this }}
            where not is_gone and {{ among }}
        {% endif %}
    ) as differing
    {% if is_incremental() %}
        union all
        select
            {{ columns | join(', ') }},
            true as is_gone,
            current_timestamp as _built_at
        from {{ this }} as known
        where
            {{ among }}
            and not exists (
                select 1 from {{ now }}
                where {% for column in key %}{{ 'and ' if not loop.first }}{{ now }}.{{ column }} = known.{{ column }} {% endfor %}

            )
    {% endif %}
{%- endmacro %}


{#-
  A condition: `column` is one of the values that `query` gives now. They are looked up before the query is written, so
  that the planner sees them, and takes the index even below a union or a sum. Everything when all is built anew.
-#}
{% macro among(column, query) -%}
    {%- if execute and is_incremental() -%}
        {%- set values -%}
            select quote_literal(coalesce(array_agg(distinct value), '{}')) || '::' || pg_typeof(array_agg(value))
            from ({{ query }}) as changed (value)
        {%- endset -%}
        {{ column }} = any({{ run_query(values).columns[0].values()[0] }})
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}


{#-
  A jsonb array of `now` (an array) and of all that this model's row had in `column` before: what is summed by such a
  value is built anew where a row has left it, too. `rows` is the CTE whose `key` this row has. A run from scratch does
  not know what was before, so the name of such a column begins with an underscore.
-#}
{% macro ever(column, now, rows, key) -%}
    (
        select coalesce(jsonb_agg(distinct value), '[]'::jsonb)
        from jsonb_array_elements(
            to_jsonb({{ now }})
            {%- if is_incremental() %}
            || coalesce(
                (select known.{{ column }} from {{ this }} as known where known.{{ key }} = {{ rows }}.{{ key }}),
                '[]'::jsonb
            )
            {%- endif %}
        ) as value
        where value != 'null'::jsonb
    )
{%- endmacro %}


{#- The values of such a column, each in a row of its own. -#}
{% macro each_of(column, type) -%}
    jsonb_array_elements_text({{ column }})::{{ type }}
{%- endmacro %}

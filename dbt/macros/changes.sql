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

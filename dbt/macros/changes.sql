{#-
  A literal: the newest `column` in this model so far, less the overlap. It is looked up before
  the query is written, and not within it, so that the planner sees a value and takes the index.
-#}
{% macro newest_seen(column) -%}
    {%- if execute and is_incremental() -%}
        {%- set newest -%}
            select coalesce(max({{ column }}) - interval '{{ var("overlap") }}', '-infinity')::text from {{ this }}
        {%- endset -%}
        '{{ run_query(newest).columns[0].values()[0] }}'::timestamptz
    {%- else -%}
        '-infinity'::timestamptz
    {%- endif -%}
{%- endmacro %}


{#- The rows of a parent that were built since this model was; all of them at first. -#}
{% macro where_changed() %}
    {% if is_incremental() %}
        where _built_at >= {{ newest_seen('_built_at') }}
    {% endif %}
{% endmacro %}

{#-
  Up to when a source's table is complete, by the source's own clock: for `dbt source freshness`. Not the age of its
  newest record: a source in which nothing changes is not stale.
-#}
{% macro read_up_to(table) -%}
    select watermark from ops.checkpoints where source = '{{ table.source_name }}' and stream = '{{ table.name }}'
{%- endmacro %}

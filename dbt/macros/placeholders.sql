{#-
  A model with several rows for each parent keeps one placeholder, its own key null, for a parent
  that has no rows (any more): it makes delete+insert take the old rows away, and goes itself here,
  in the same transaction: its rows are found by the time of it, and not by a look at all there are.
-#}
{% macro remove_placeholders(key) -%}
    delete from {{ this }} where {{ key }} is null and _built_at = current_timestamp
{%- endmacro %}

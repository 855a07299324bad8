{#-
  A model with several rows for each parent keeps one placeholder, its own key null, for a parent
  that has no rows (any more): it makes delete+insert take the old rows away, and goes itself here,
  in the same transaction.
-#}
{% macro remove_placeholders(key) -%}
    delete from {{ this }} where {{ key }} is null
{%- endmacro %}

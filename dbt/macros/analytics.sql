{#- One value of an event's list of parameters, as text; null when the event has no such parameter. -#}
{% macro analytics_param(key, kind) -%}
    jsonb_path_query_first(source_data, '$.event_params[*] ? (@.key == "{{ key }}").value.{{ kind }}') #>> '{}'
{%- endmacro %}

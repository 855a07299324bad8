{#- A layer's schema is exactly its name: no target prefix, so that roles can be granted on it. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}

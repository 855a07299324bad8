{#- A jsonb array, and an empty one for anything else: unnesting never fails. -#}
{% macro json_array(value) -%}
    case when jsonb_typeof({{ value }}) = 'array' then {{ value }} else '[]'::jsonb end
{%- endmacro %}


{#- The plain id in a Shopify global id: 'gid://shopify/Order/1' is order 1. -#}
{% macro shopify_id(gid) -%}
    substring({{ gid }} from '([^/?]+)(?:[?].*)?$')
{%- endmacro %}


{#- An address as people's mailboxes compare it; null when it is empty. -#}
{% macro normalize_email(address) -%}
    nullif(lower(btrim({{ address }}, E' \t\r\n')), '')
{%- endmacro %}


{#- A whole number as JSON may write it: 100, 100.0 and 1e2 are one. -#}
{% macro whole_number(text) -%}
    ({{ text }})::numeric::bigint
{%- endmacro %}


{#- The id of what a Stripe object refers to: the field itself, or the id of the object that it was expanded to. -#}
{% macro stripe_id(field) -%}
    coalesce(source_data #>> '{{ "{" }}{{ field }},id{{ "}" }}', source_data ->> '{{ field }}')
{%- endmacro %}

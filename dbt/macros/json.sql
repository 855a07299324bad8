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

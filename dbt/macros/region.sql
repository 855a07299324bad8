{#- The sales region of a country: `listed_region` is what the seed `countries` has for it, if anything. -#}
{% macro region(country_code, listed_region) -%}
    case
        when {{ country_code }} is null then 'Unknown'
        else coalesce({{ listed_region }}, 'Rest of world')
    end
{%- endmacro %}

{#- The shop's local day of a moment: 23 or 25 hours long when the clocks change. -#}
{% macro shop_day(moment) -%}
    ({{ moment }} at time zone '{{ var("shop_timezone") }}')::date
{%- endmacro %}


{#- Seconds since 1970, as Stripe tells time. -#}
{% macro from_epoch(seconds) -%}
    to_timestamp({{ whole_number(seconds) }})
{%- endmacro %}


{#-
  What "now" is to the data: the time up to which the sources are complete (--vars as_of, or the
  environment's DBT_AS_OF, which keeps dbt's parse cache), else the clock's now.
-#}
{% macro as_of() -%}
    {%- set moment = var('as_of', none) or env_var('DBT_AS_OF', '') -%}
    {%- if moment -%} '{{ moment }}'::timestamptz {%- else -%} current_timestamp {%- endif -%}
{%- endmacro %}

{#-
  The newest value of the field is at most `interval` dateparts older than the time up to which the
  data is complete (see the macro as_of). An empty table is not recent.
-#}
{% test recency(model, field, datepart, interval, ignore_time_component=false, group_by_columns=[]) %}

{%- set groups = group_by_columns | join(', ') -%}
{%- set now = "date_trunc('day', " ~ as_of() ~ ")" if ignore_time_component else as_of() %}

select {{ groups ~ ', ' if groups }} max({{ field }}) as most_recent
from {{ model }}
{{ 'group by ' ~ groups if groups }}
having coalesce(max({{ field }}) < {{ now }} - interval '{{ interval }} {{ datepart }}', true)

{% endtest %}

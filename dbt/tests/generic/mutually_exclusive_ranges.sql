{#-
  Within a partition no two ranges overlap; the upper bound is not in the range, and null is one without an end. gaps:
  allowed, not_allowed (each range begins where the one before ended) or required. A range that is empty fails unless
  zero_length_range_allowed, and one that ends before it begins always does.
-#}
{% test mutually_exclusive_ranges(
    model, lower_bound_column, upper_bound_column, partition_by=none, gaps='allowed', zero_length_range_allowed=false
) %}

{%- set follows = {'allowed': '<=', 'not_allowed': '=', 'required': '<'} -%}
{%- if gaps not in follows -%}
    {{ exceptions.raise_compiler_error("gaps must be allowed, not_allowed or required, not " ~ gaps) }}
{%- endif -%}
{%- set key = partition_by or '1' %}

with ranges as (
    select
        {{ key }} as key,
        {{ lower_bound_column }} as lower_bound,
        {{ upper_bound_column }} as upper_bound,
        lead({{ lower_bound_column }}) over (
            partition by {{ key }} order by {{ lower_bound_column }}, {{ upper_bound_column }}
        ) as next_lower_bound,
        row_number() over (
            partition by {{ key }} order by {{ lower_bound_column }} desc, {{ upper_bound_column }} desc
        ) = 1 as is_last
    from {{ model }}
)

select *
from ranges
where not coalesce(
    lower_bound {{ '<=' if zero_length_range_allowed else '<' }} coalesce(upper_bound, 'infinity')
    and (is_last or upper_bound {{ follows[gaps] }} next_lower_bound),
    false
)

{% endtest %}

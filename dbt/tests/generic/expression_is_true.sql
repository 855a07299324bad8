{#- Every row satisfies the expression; a row for which it is unknown (null) does not fail. -#}
{% test expression_is_true(model, expression, column_name=none) %}

select 1 as failure
from {{ model }}
where not ({{ column_name or '' }} {{ expression }})

{% endtest %}

{#- How many minor units make one unit of a currency (ISO 4217): 1 yen, 100 cents, 1000 fils. -#}
{% macro minor_units_per_unit(currency) -%}
    case
        when upper({{ currency }}) in (
            'BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV',
            'XAF', 'XOF', 'XPF'
        ) then 1
        when upper({{ currency }}) in ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') then 1000
        else 100
    end
{%- endmacro %}


{#- A decimal text such as '12.5' as a bigint of minor units. -#}
{% macro to_minor_units(amount, currency) -%}
    round(({{ amount }})::numeric * {{ minor_units_per_unit(currency) }})::bigint
{%- endmacro %}


{#- The shop money of a money bag in a jsonb object, in minor units. -#}
{% macro shop_money(object, money_bag, currency) -%}
    {{ to_minor_units(object ~ " #>> '{" ~ money_bag ~ ",shopMoney,amount}'", currency) }}
{%- endmacro %}


{#- The sum of a money bag's shop money over a jsonb array; 0 when it is empty. -#}
{% macro sum_shop_money(array, money_bag, currency) -%}
    (
        select coalesce(sum({{ shop_money('element', money_bag, currency) }}), 0)
        from jsonb_array_elements({{ json_array(array) }}) as element
    )::bigint
{%- endmacro %}


{#- Minor units of a currency as the decimal that people read. Marts only. -#}
{% macro from_minor_units(minor_units, currency) -%}
    (
        ({{ minor_units }})::numeric / {{ minor_units_per_unit(currency) }}
    )::numeric(18, 2)
{%- endmacro %}


{#- Minor units of the shop's currency as the decimal that people read. Marts only. -#}
{% macro to_shop_currency(minor_units) -%}
    {{ from_minor_units(minor_units, "'" ~ var('shop_currency') ~ "'") }}
{%- endmacro %}


{#- A share rounded half up to 4 decimals; null when there is nothing to divide by. -#}
{% macro rate(numerator, denominator) -%}
    (({{ numerator }})::numeric / nullif({{ denominator }}, 0))::numeric(18, 4)
{%- endmacro %}


{#-
  This row's share, by weight, of what its group has as a whole, in minor units. Each row gets what the rows up to it
  are due, rounded, less what those before it got: so the shares add up to the whole, whatever was rounded.
-#}
{% macro share_of(whole, weight, group, position) -%}
    {%- set all_weights = 'sum(' ~ weight ~ ') over (partition by ' ~ group ~ ')' -%}
    {%- set up_to_here = 'sum(' ~ weight ~ ') over (partition by ' ~ group ~ ' order by ' ~ position ~ ')' -%}
    round({{ whole }}::numeric * {{ up_to_here }} / {{ all_weights }})
    - round({{ whole }}::numeric * ({{ up_to_here }} - {{ weight }}) / {{ all_weights }})
{%- endmacro %}

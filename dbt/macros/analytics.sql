{#- One value of an event's list of parameters, as text; null when the event has no such parameter. -#}
{% macro analytics_param(key, kind) -%}
    jsonb_path_query_first(source_data, '$.event_params[*] ? (@.key == "{{ key }}").value.{{ kind }}') #>> '{}'
{%- endmacro %}


{#- The ids of an event's items, as a sorted jsonb array of text, each once; empty when there are none. -#}
{% macro item_ids(items) -%}
    coalesce(
        (
            select jsonb_agg(distinct item ->> 'item_id')
            from jsonb_array_elements({{ json_array(items) }}) as item
            where item ->> 'item_id' not in ('', '(not set)')
        ),
        '[]'::jsonb
    )
{%- endmacro %}


{#-
  How far down the way to an order an event is: 1 saw a product, 2 put one into the cart, 3 went to the checkout,
  4 bought; 0 for everything else.
-#}
{% macro funnel_step(event_name) -%}
    case
        when {{ event_name }} = 'view_item' then 1
        when {{ event_name }} in ('add_to_cart', 'view_cart') then 2
        when {{ event_name }} in ('begin_checkout', 'add_shipping_info', 'add_payment_info') then 3
        when {{ event_name }} = 'purchase' then 4
        else 0
    end
{%- endmacro %}


{#- The channel that a link's source and medium stand for: the first line that fits. -#}
{% macro channel(source, medium) -%}
    case
        when lower({{ medium }}) in ('email', 'e-mail') or lower({{ source }}) = 'newsletter' then 'Email'
        when lower({{ medium }}) in ('cpc', 'ppc', 'paid', 'display') then 'Paid'
        when lower({{ medium }}) = 'organic' then 'Organic search'
        when lower({{ medium }}) like '%social%' then 'Social'
        when lower({{ medium }}) = 'referral' then 'Referral'
        when {{ source }} = '(direct)' then 'Direct'
        when {{ source }} is null and {{ medium }} is null then 'Unknown'
        else 'Other'
    end
{%- endmacro %}

{{ config(unique_key='day', indexes=[
    {'columns': ['day', 'region'], 'unique': true}, {'columns': ['_built_at']}
], post_hook="{{ remove_placeholders('region') }}") }}

{% set changed_days %}
    select {{ each_of('_days', 'date') }} as day from {{ ref('int_order_days') }} {{ where_changed() }}
    union distinct
    select order_day as day from {{ ref('int_order_consents') }} {{ where_changed() }}
{% endset %}

with changed as (
    {{ changed_days }}
),

movements as (
    select * from {{ ref('int_sales_movements') }}
    where {{ among('day', changed_days) }}
),

final as (
    select
        changed.day,
        movements.region,
        sum(movements.orders)::bigint as orders,
        sum(movements.subscriber_orders)::bigint as subscriber_orders,
        sum(movements.units)::bigint as units,
        sum(movements.gross_sales_minor)::bigint as gross_sales_minor,
        sum(movements.discounts_minor)::bigint as discounts_minor,
        sum(movements.returns_minor)::bigint as returns_minor,
        sum(movements.gross_sales_minor - movements.discounts_minor - movements.returns_minor)::bigint
            as net_sales_minor,
        sum(movements.taxes_minor)::bigint as taxes_minor,
        sum(movements.shipping_minor)::bigint as shipping_minor,
        sum(movements.adjustments_minor)::bigint as adjustments_minor,
        percentile_cont(0.5) within group (order by movements.gross_sales_minor - movements.discounts_minor)
        filter (where movements.orders = 1) as median_minor,
        current_timestamp as _built_at
    from changed
    left join movements on changed.day = movements.day
    group by changed.day, movements.region
)

select * from final

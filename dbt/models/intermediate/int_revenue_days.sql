{{ config(unique_key='day', indexes=[
    {'columns': ['day', 'product_id', 'region', 'segment'], 'unique': true}, {'columns': ['_built_at']}
], post_hook="{{ remove_placeholders('product_id') }}") }}

{% set changed_days %}
    select {{ each_of('_days', 'date') }} as day from {{ ref('int_order_days') }} {{ where_changed() }}
    union distinct
    select {{ each_of('_days', 'date') }} as day from {{ ref('int_order_days') }}
    where order_id in (select order_id from {{ ref('int_order_segments') }} {{ where_changed() }})
{% endset %}

with changed as (
    {{ changed_days }}
),

movements as (
    select
        movements.*,
        segments.segment
    from {{ ref('int_line_movements') }} as movements
    inner join {{ ref('int_order_segments') }} as segments on movements.order_id = segments.order_id
    where {{ among('movements.day', changed_days) }}
),

final as (
    select
        changed.day,
        movements.product_id,
        movements.region,
        movements.segment,
        count(distinct movements.order_id) filter (where movements.refund_id is null) as orders,
        sum(movements.units)::bigint as units,
        sum(movements.gross_sales_minor)::bigint as gross_sales_minor,
        sum(movements.discounts_minor)::bigint as discounts_minor,
        sum(movements.returns_minor)::bigint as returns_minor,
        sum(movements.gross_sales_minor - movements.discounts_minor - movements.returns_minor)::bigint
            as net_sales_minor,
        sum(movements.taxes_minor)::bigint as taxes_minor,
        sum(movements.shipping_minor)::bigint as shipping_minor,
        sum(movements.adjustments_minor)::bigint as adjustments_minor,
        current_timestamp as _built_at
    from changed
    left join movements on changed.day = movements.day
    group by changed.day, movements.product_id, movements.region, movements.segment
)

select * from final

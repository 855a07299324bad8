with orders as not materialized (
    select * from {{ ref('fct_orders') }}
    where is_sale
),

consents as (
    select * from {{ ref('int_order_consents') }}
),

-- A sale stands on the day of its order, what went back on the day of its refund.
final as (
    select
        orders.order_id,
        null as refund_id,
        null as refund_line_id,
        orders.order_day as day,
        orders.region,
        1 as orders,
        case when consents.is_subscribed then 1 else 0 end as subscriber_orders,
        orders.units_ordered as units,
        orders.gross_sales_minor,
        orders.discounts_minor,
        0 as returns_minor,
        orders.taxes_minor,
        orders.shipping_minor,
        0 as adjustments_minor
    from orders
    left join consents on orders.order_id = consents.order_id
    union all
    select
        orders.order_id,
        refund_lines.refund_id,
        refund_lines.refund_line_id,
        refund_lines.refund_day as day,
        orders.region,
        0 as orders,
        0 as subscriber_orders,
        0 as units,
        0 as gross_sales_minor,
        0 as discounts_minor,
        refund_lines.returns_minor,
        -refund_lines.taxes_minor as taxes_minor,
        0 as shipping_minor,
        0 as adjustments_minor
    from {{ ref('fct_refund_lines') }} as refund_lines
    inner join orders on refund_lines.order_id = orders.order_id
    union all
    select
        orders.order_id,
        refunds.refund_id,
        null as refund_line_id,
        refunds.refund_day as day,
        orders.region,
        0 as orders,
        0 as subscriber_orders,
        0 as units,
        0 as gross_sales_minor,
        0 as discounts_minor,
        0 as returns_minor,
        refunds.adjustment_taxes_minor - refunds.shipping_taxes_minor as taxes_minor,
        -refunds.shipping_minor as shipping_minor,
        refunds.adjustments_minor
    from {{ ref('fct_refunds') }} as refunds
    inner join orders on refunds.order_id = orders.order_id
    where refunds.is_beyond_goods
)

select * from final

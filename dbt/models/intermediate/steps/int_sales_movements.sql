with orders as not materialized (
    select * from {{ ref('fct_orders') }}
    where is_sale
),

refund_lines as (
    select * from {{ ref('fct_refund_lines') }}
),

consents as (
    select * from {{ ref('int_order_consents') }}
),

-- A sale stands on the day of its order, a return on the day of its refund.
final as (
    select
        orders.order_id,
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
        orders.shipping_minor
    from orders
    left join consents on orders.order_id = consents.order_id
    union all
    select
        orders.order_id,
        refund_lines.refund_line_id,
        refund_lines.refund_day as day,
        orders.region,
        0 as orders,
        0 as subscriber_orders,
        0 as units,
        0 as gross_sales_minor,
        0 as discounts_minor,
        refund_lines.returns_minor,
        0 as taxes_minor,
        0 as shipping_minor
    from refund_lines
    inner join orders on refund_lines.order_id = orders.order_id
)

select * from final

{{ config(materialized='ephemeral') }}

with orders as (
    select * from {{ ref('fct_orders') }}
    where is_sale
),

refund_lines as (
    select * from {{ ref('fct_refund_lines') }}
),

-- A sale stands on the day of its order, a return on the day of its refund.
final as (
    select
        order_id,
        null as refund_line_id,
        order_day as day,
        region,
        1 as orders,
        units_ordered as units,
        gross_sales_minor,
        discounts_minor,
        0 as returns_minor,
        taxes_minor,
        shipping_minor
    from orders
    union all
    select
        orders.order_id,
        refund_lines.refund_line_id,
        refund_lines.refund_day as day,
        orders.region,
        0 as orders,
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

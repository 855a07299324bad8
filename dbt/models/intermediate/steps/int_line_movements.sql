with orders as not materialized (
    select * from {{ ref('fct_orders') }}
    where is_sale
),

lines as not materialized (
    select * from {{ ref('int_line_revenue') }}
),

refund_lines as (
    select * from {{ ref('fct_refund_lines') }}
),

final as (
    select
        lines.order_id,
        lines.line_id,
        null as refund_line_id,
        lines.order_day as day,
        lines.product_id,
        orders.region,
        lines.units_ordered as units,
        lines.gross_sales_minor,
        lines.discounts_minor,
        0 as returns_minor,
        lines.taxes_minor,
        lines.shipping_minor
    from lines
    inner join orders on lines.order_id = orders.order_id
    union all
    select
        refund_lines.order_id,
        refund_lines.line_id,
        refund_lines.refund_line_id,
        refund_lines.refund_day as day,
        coalesce(lines.product_id, 'unknown') as product_id,
        orders.region,
        0 as units,
        0 as gross_sales_minor,
        0 as discounts_minor,
        refund_lines.returns_minor,
        0 as taxes_minor,
        0 as shipping_minor
    from refund_lines
    inner join orders on refund_lines.order_id = orders.order_id
    left join lines on refund_lines.line_id = lines.line_id and refund_lines.order_id = lines.order_id
)

select * from final

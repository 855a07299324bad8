with orders as not materialized (
    select * from {{ ref('fct_orders') }}
    where is_sale
),

lines as not materialized (
    select * from {{ ref('int_line_revenue') }}
),

final as (
    select
        lines.order_id,
        lines.line_id,
        null as refund_id,
        null as refund_line_id,
        lines.order_day as day,
        lines.product_id,
        orders.region,
        lines.units_ordered as units,
        lines.gross_sales_minor,
        lines.discounts_minor,
        0 as returns_minor,
        lines.taxes_minor,
        lines.shipping_minor,
        0 as adjustments_minor
    from lines
    inner join orders on lines.order_id = orders.order_id
    union all
    select
        refund_lines.order_id,
        refund_lines.line_id,
        refund_lines.refund_id,
        refund_lines.refund_line_id,
        refund_lines.refund_day as day,
        coalesce(lines.product_id, 'unknown') as product_id,
        orders.region,
        0 as units,
        0 as gross_sales_minor,
        0 as discounts_minor,
        refund_lines.returns_minor,
        -refund_lines.taxes_minor as taxes_minor,
        0 as shipping_minor,
        0 as adjustments_minor
    from {{ ref('fct_refund_lines') }} as refund_lines
    inner join orders on refund_lines.order_id = orders.order_id
    left join lines on refund_lines.line_id = lines.line_id and refund_lines.order_id = lines.order_id
    union all
    select
        refund_shares.order_id,
        refund_shares.line_id,
        refund_shares.refund_id,
        null as refund_line_id,
        refund_shares.refund_day as day,
        refund_shares.product_id,
        orders.region,
        0 as units,
        0 as gross_sales_minor,
        0 as discounts_minor,
        0 as returns_minor,
        refund_shares.taxes_minor,
        refund_shares.shipping_minor,
        refund_shares.adjustments_minor
    from {{ ref('int_refund_shares') }} as refund_shares
    inner join orders on refund_shares.order_id = orders.order_id
)

select * from final

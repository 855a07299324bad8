-- What was unnested from an order is of the order's current version: an incremental run that
-- missed a change would leave the line's sums different from the order's.
with lines as (
    select
        order_id,
        sum(gross_sales_minor) as gross_sales_minor,
        sum(returns_minor) as returns_minor
    from {{ ref('fct_order_lines') }}
    group by order_id
),

final as (
    select
        orders.order_id,
        orders.gross_sales_minor,
        lines.gross_sales_minor as gross_sales_minor_of_lines
    from {{ ref('fct_orders') }} as orders
    left join lines on orders.order_id = lines.order_id
    where
        orders.gross_sales_minor != coalesce(lines.gross_sales_minor, 0)
        or orders.returns_minor != coalesce(lines.returns_minor, 0)
)

select * from final

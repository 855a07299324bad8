with sales as (
    {{ sales_of_customers() }}
),

refund_lines as (
    select * from {{ ref('fct_refund_lines') }}
),

final as (
    select
        order_id,
        null as refund_line_id,
        customer_key,
        order_day as day,
        1 as orders,
        gross_sales_minor - discounts_minor as net_minor
    from sales
    union all
    select
        sales.order_id,
        refund_lines.refund_line_id,
        sales.customer_key,
        greatest(refund_lines.refund_day, sales.order_day) as day,
        0 as orders,
        -refund_lines.returns_minor as net_minor
    from refund_lines
    inner join sales on refund_lines.order_id = sales.order_id
)

select * from final

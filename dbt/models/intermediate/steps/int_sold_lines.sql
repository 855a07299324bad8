with orders as (
    select * from {{ ref('fct_orders') }}
    where is_sale
),

lines as (
    select * from {{ ref('fct_order_lines') }}
),

costs as (
    select * from {{ ref('stg_uploads__product_costs') }}
    where not is_deleted and currency = '{{ var("shop_currency") }}'
),

prices as (
    select * from {{ ref('int_line_prices') }}
),

final as (
    select
        lines.line_id,
        lines.order_id,
        orders.order_day,
        coalesce(lines.product_id, 'unknown') as product_id,
        lines.units_ordered,
        lines.units_returned,
        lines.gross_sales_minor,
        lines.discounts_minor,
        lines.returns_minor,
        lines.gross_sales_minor - lines.discounts_minor - lines.returns_minor as net_sales_minor,
        costs.unit_cost_minor * (lines.units_ordered - lines.units_returned) as cost_minor,
        case when prices.markdown_minor > 0 then lines.units_ordered else 0 end as units_marked_down,
        coalesce(prices.markdown_minor, 0) * lines.units_ordered as markdown_minor
    from lines
    inner join orders on lines.order_id = orders.order_id
    left join costs
        on
            lines.variant_id = costs.variant_id
            and costs.cost_month = date_trunc('month', orders.order_day)
    left join prices on lines.line_id = prices.line_id
)

select * from final

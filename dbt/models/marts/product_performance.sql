{{ config(indexes=[{'columns': ['product_id']}]) }}

with orders as (
    select * from {{ ref('fct_orders') }}
    where is_sale
),

order_lines as (
    select * from {{ ref('fct_order_lines') }}
),

products as (
    select * from {{ ref('dim_products') }}
    where not is_deleted
),

sold as (
    select
        coalesce(order_lines.product_id, 'unknown') as product_id,
        count(distinct order_lines.order_id) as orders,
        sum(order_lines.units_ordered) as units_ordered,
        sum(order_lines.units_returned) as units_returned,
        sum(order_lines.gross_sales_minor) as gross_minor,
        sum(order_lines.discounts_minor) as discounts_minor,
        sum(order_lines.returns_minor) as returns_minor,
        sum(order_lines.gross_sales_minor - order_lines.discounts_minor - order_lines.returns_minor) as net_minor
    from order_lines
    inner join orders on order_lines.order_id = orders.order_id
    group by coalesce(order_lines.product_id, 'unknown')
),

final as (
    select
        coalesce(products.product_id, sold.product_id) as product_id,
        coalesce(products.title, 'unknown') as title,
        coalesce(sold.orders, 0) as orders,
        coalesce(sold.units_ordered, 0)::bigint as units_ordered,
        coalesce(sold.units_returned, 0)::bigint as units_returned,
        {{ to_shop_currency('coalesce(sold.gross_minor, 0)') }} as gross_sales,
        {{ to_shop_currency('coalesce(sold.discounts_minor, 0)') }} as discounts,
        {{ to_shop_currency('coalesce(sold.returns_minor, 0)') }} as returns,
        {{ to_shop_currency('coalesce(sold.net_minor, 0)') }} as net_sales,
        {{ rate('sold.units_returned', 'sold.units_ordered') }} as return_rate,
        '{{ var("shop_currency") }}' as currency
    from products
    full outer join sold on products.product_id = sold.product_id
)

select * from final

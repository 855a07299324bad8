with orders as (
    select * from {{ ref('fct_orders') }}
    where is_sale
),

refund_lines as (
    select * from {{ ref('fct_refund_lines') }}
),

-- A sale stands on the day of its order, a return on the day of its refund.
movements as (
    select
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
),

days as (
    select
        day,
        region,
        sum(orders) as orders,
        sum(units) as units,
        sum(gross_sales_minor) as gross_minor,
        sum(discounts_minor) as discounts_minor,
        sum(returns_minor) as returns_minor,
        sum(gross_sales_minor - discounts_minor - returns_minor) as net_minor,
        sum(taxes_minor) as taxes_minor,
        sum(shipping_minor) as shipping_minor
    from movements
    group by day, region
),

final as (
    select
        day,
        region,
        orders::bigint as orders,
        units::bigint as units,
        {{ to_shop_currency('gross_minor') }} as gross_sales,
        {{ to_shop_currency('discounts_minor') }} as discounts,
        {{ to_shop_currency('returns_minor') }} as returns,
        {{ to_shop_currency('net_minor') }} as net_sales,
        {{ to_shop_currency('taxes_minor') }} as taxes,
        {{ to_shop_currency('shipping_minor') }} as shipping,
        {{ to_shop_currency('net_minor + taxes_minor + shipping_minor') }} as total_sales,
        {{ to_shop_currency('(gross_minor - discounts_minor) / nullif(orders, 0)') }} as average_order_value,
        '{{ var("shop_currency") }}' as currency
    from days
)

select * from final

{{ config(indexes=[{'columns': ['day', 'region']}]) }}

with days as (
    select
        day,
        region,
        sum(orders) as orders,
        sum(subscriber_orders) as subscriber_orders,
        sum(units) as units,
        sum(gross_sales_minor) as gross_minor,
        sum(discounts_minor) as discounts_minor,
        sum(returns_minor) as returns_minor,
        sum(gross_sales_minor - discounts_minor - returns_minor) as net_minor,
        sum(taxes_minor) as taxes_minor,
        sum(shipping_minor) as shipping_minor,
        percentile_cont(0.5) within group (order by gross_sales_minor - discounts_minor) filter (where orders = 1)
            as median_minor
    from {{ ref('int_sales_movements') }}
    group by day, region
),

final as (
    select
        day,
        region,
        orders::bigint as orders,
        subscriber_orders::bigint as subscriber_orders,
        units::bigint as units,
        {{ to_shop_currency('gross_minor') }} as gross_sales,
        {{ to_shop_currency('discounts_minor') }} as discounts,
        {{ to_shop_currency('returns_minor') }} as returns,
        {{ to_shop_currency('net_minor') }} as net_sales,
        {{ to_shop_currency('taxes_minor') }} as taxes,
        {{ to_shop_currency('shipping_minor') }} as shipping,
        {{ to_shop_currency('net_minor + taxes_minor + shipping_minor') }} as total_sales,
        {{ to_shop_currency('(gross_minor - discounts_minor) / nullif(orders, 0)') }} as average_order_value,
        {{ to_shop_currency('median_minor') }} as median_order_value,
        '{{ var("shop_currency") }}' as currency
    from days
)

select * from final

{{ config(indexes=[{'columns': ['day', 'region']}]) }}

with days as (
    select * from {{ ref('int_sales_days') }}
),

final as (
    select
        day,
        region,
        orders,
        subscriber_orders,
        units,
        {{ to_shop_currency('gross_sales_minor') }} as gross_sales,
        {{ to_shop_currency('discounts_minor') }} as discounts,
        {{ to_shop_currency('returns_minor') }} as returns,
        {{ to_shop_currency('net_sales_minor') }} as net_sales,
        {{ to_shop_currency('taxes_minor') }} as taxes,
        {{ to_shop_currency('shipping_minor') }} as shipping,
        {{ to_shop_currency('adjustments_minor') }} as adjustments,
        {{ to_shop_currency('net_sales_minor + taxes_minor + shipping_minor + adjustments_minor') }} as total_sales,
        {{ to_shop_currency('(gross_sales_minor - discounts_minor)::numeric / nullif(orders, 0)') }}
            as average_order_value,
        {{ to_shop_currency('median_minor') }} as median_order_value,
        '{{ var("shop_currency") }}' as currency
    from days
)

select * from final

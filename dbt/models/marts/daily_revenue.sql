{{ config(indexes=[{'columns': ['day', 'product_id']}, {'columns': ['product_id']}]) }}

with cells as (
    select * from {{ ref('int_revenue_days') }}
),

final as (
    select
        day,
        product_id,
        region,
        segment,
        orders,
        units,
        {{ to_shop_currency('gross_sales_minor') }} as gross_sales,
        {{ to_shop_currency('discounts_minor') }} as discounts,
        {{ to_shop_currency('returns_minor') }} as returns,
        {{ to_shop_currency('net_sales_minor') }} as net_sales,
        {{ to_shop_currency('taxes_minor') }} as taxes,
        {{ to_shop_currency('shipping_minor') }} as shipping,
        {{ to_shop_currency('adjustments_minor') }} as adjustments,
        {{ to_shop_currency('net_sales_minor + taxes_minor + shipping_minor + adjustments_minor') }} as total_sales,
        '{{ var("shop_currency") }}' as currency
    from cells
)

select * from final

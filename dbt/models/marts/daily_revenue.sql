{{ config(indexes=[{'columns': ['day', 'product_id']}, {'columns': ['product_id']}]) }}

with movements as (
    select * from {{ ref('int_line_movements') }}
),

segments as (
    select * from {{ ref('int_order_segments') }}
),

cells as (
    select
        movements.day,
        movements.product_id,
        movements.region,
        segments.segment,
        count(distinct movements.order_id) filter (where movements.refund_line_id is null) as orders,
        sum(movements.units) as units,
        sum(movements.gross_sales_minor) as gross_minor,
        sum(movements.discounts_minor) as discounts_minor,
        sum(movements.returns_minor) as returns_minor,
        sum(movements.gross_sales_minor - movements.discounts_minor - movements.returns_minor) as net_minor,
        sum(movements.taxes_minor) as taxes_minor,
        sum(movements.shipping_minor) as shipping_minor
    from movements
    inner join segments on movements.order_id = segments.order_id
    group by movements.day, movements.product_id, movements.region, segments.segment
),

final as (
    select
        day,
        product_id,
        region,
        segment,
        orders,
        units::bigint as units,
        {{ to_shop_currency('gross_minor') }} as gross_sales,
        {{ to_shop_currency('discounts_minor') }} as discounts,
        {{ to_shop_currency('returns_minor') }} as returns,
        {{ to_shop_currency('net_minor') }} as net_sales,
        {{ to_shop_currency('taxes_minor') }} as taxes,
        {{ to_shop_currency('shipping_minor') }} as shipping,
        {{ to_shop_currency('net_minor + taxes_minor + shipping_minor') }} as total_sales,
        '{{ var("shop_currency") }}' as currency
    from cells
)

select * from final

{{ config(indexes=[{'columns': ['product_id']}]) }}

with products as (
    select * from {{ ref('dim_products') }}
    where not is_deleted
),

seen as (
    select
        product_id,
        sum(views) as views,
        sum(add_to_carts) as add_to_carts
    from {{ ref('int_product_days') }}
    group by product_id
),

sold as (
    select
        product_id,
        sum(orders)::bigint as orders,
        sum(units_ordered) as units_ordered,
        sum(units_returned) as units_returned,
        sum(gross_sales_minor) as gross_minor,
        sum(discounts_minor) as discounts_minor,
        sum(returns_minor) as returns_minor,
        sum(net_sales_minor) as net_minor,
        sum(cost_minor) as cost_minor,
        sum(costed_net_sales_minor) as costed_net_minor,
        sum(units_costed) as units_costed,
        sum(units_marked_down) as units_marked_down,
        sum(markdown_minor) as markdown_minor
    from {{ ref('int_product_sales') }}
    group by product_id
),

final as (
    select
        coalesce(products.product_id, sold.product_id) as product_id,
        coalesce(products.title, 'unknown') as title,
        coalesce(seen.views, 0)::bigint as views,
        coalesce(seen.add_to_carts, 0)::bigint as add_to_carts,
        coalesce(sold.orders, 0) as orders,
        coalesce(sold.units_ordered, 0)::bigint as units_ordered,
        coalesce(sold.units_returned, 0)::bigint as units_returned,
        {{ to_shop_currency('coalesce(sold.gross_minor, 0)') }} as gross_sales,
        {{ to_shop_currency('coalesce(sold.discounts_minor, 0)') }} as discounts,
        {{ to_shop_currency('coalesce(sold.returns_minor, 0)') }} as returns,
        {{ to_shop_currency('coalesce(sold.net_minor, 0)') }} as net_sales,
        {{ rate('sold.units_returned', 'sold.units_ordered') }} as return_rate,
        {{ rate('sold.units_costed', 'sold.units_ordered') }} as costed_share,
        {{ to_shop_currency('sold.cost_minor') }} as cost_of_goods,
        {{ to_shop_currency('sold.costed_net_minor - sold.cost_minor') }} as margin,
        {{ rate('sold.costed_net_minor - sold.cost_minor', 'sold.costed_net_minor') }} as margin_rate,
        coalesce(sold.units_marked_down, 0)::bigint as units_marked_down,
        {{ rate('sold.units_marked_down', 'sold.units_ordered') }} as marked_down_share,
        {{ to_shop_currency('coalesce(sold.markdown_minor, 0)') }} as markdown,
        '{{ var("shop_currency") }}' as currency
    from products
    full outer join sold on products.product_id = sold.product_id
    left join seen on coalesce(products.product_id, sold.product_id) = seen.product_id
)

select * from final

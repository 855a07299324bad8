{{ config(unique_key='order_id', indexes=[{'columns': ['order_id'], 'unique': true}, {'columns': ['_built_at']}]) }}

with orders as (
    select * from {{ ref('stg_shopify__orders') }}
    {{ where_changed() }}
),

lines as (
    select
        order_id,
        sum(units_ordered) as units_ordered,
        sum(units_returned) as units_returned,
        sum(gross_sales_minor) as gross_sales_minor,
        sum(discounts_minor) as discounts_minor,
        sum(returns_minor) as returns_minor,
        sum(taxes_minor) as taxes_minor
    from {{ ref('fct_order_lines') }}
    where order_id in (select orders.order_id from orders)
    group by order_id
),

shipping as (
    select
        order_id,
        {{ sum_shop_money('shipping_lines', 'discountedPriceSet', 'currency') }} as charged_minor,
        (
            select coalesce(sum({{ sum_shop_money("shipping_line -> 'taxLines'", 'priceSet', 'orders.currency') }}), 0)
            from jsonb_array_elements(orders.shipping_lines) as shipping_line
        )::bigint as taxes_minor
    from orders
),

final as (
    select
        orders.order_id,
        coalesce(lines.units_ordered, 0)::bigint as units_ordered,
        coalesce(lines.units_returned, 0)::bigint as units_returned,
        coalesce(lines.gross_sales_minor, 0)::bigint as gross_sales_minor,
        coalesce(lines.discounts_minor, 0)::bigint as discounts_minor,
        coalesce(lines.returns_minor, 0)::bigint as returns_minor,
        coalesce(lines.gross_sales_minor - lines.discounts_minor - lines.returns_minor, 0)::bigint as net_sales_minor,
        coalesce(lines.taxes_minor, 0)::bigint + shipping.taxes_minor as taxes_minor,
        shipping.charged_minor
        - case when orders.taxes_included then shipping.taxes_minor else 0 end as shipping_minor,
        current_timestamp as _built_at
    from orders
    left join lines on orders.order_id = lines.order_id
    left join shipping on orders.order_id = shipping.order_id
)

select * from final

{{ config(unique_key='order_id', indexes=[
    {'columns': ['order_id']}, {'columns': ['line_id'], 'unique': true}, {'columns': ['product_id']}, {'columns': ['variant_id']},
    {'columns': ['_built_at']}
], post_hook="{{ remove_placeholders('line_id') }}") }}

with orders as (
    select * from {{ ref('stg_shopify__orders') }}
    {{ where_changed() }}
),

returned as (
    select
        order_id,
        line_id,
        sum(units) as units,
        sum(returns_minor) as returns_minor
    from {{ ref('fct_refund_lines') }}
    where order_id in (select orders.order_id from orders)
    group by order_id, line_id
),

lines as (
    select
        orders.*,
        line_item,
        {{ shopify_id("line_item ->> 'id'") }} as line_id,
        (line_item ->> 'currentQuantity')::integer as units_kept,
        {{ shop_money('line_item', 'originalUnitPriceSet', 'orders.currency') }} as unit_price_minor,
        {{ sum_shop_money("line_item -> 'discountAllocations'", 'allocatedAmountSet', 'orders.currency') }}
            as discounts_minor,
        {{ sum_shop_money("line_item -> 'taxLines'", 'priceSet', 'orders.currency') }} as taxes_minor
    from orders
    left join lateral jsonb_array_elements(orders.line_items) as line_item on true
),

final as (
    select
        lines.line_id,
        lines.order_id,
        {{ shopify_id("lines.line_item #>> '{product,id}'") }} as product_id,
        {{ shopify_id("lines.line_item #>> '{variant,id}'") }} as variant_id,
        lines.line_item ->> 'sku' as sku,
        lines.line_item ->> 'title' as title,
        lines.currency,
        coalesce(returned.units, 0)::integer as units_returned,
        lines.units_kept + coalesce(returned.units, 0)::integer as units_ordered,
        lines.unit_price_minor,
        lines.unit_price_minor * (lines.units_kept + coalesce(returned.units, 0)::integer)
        - case when lines.taxes_included then lines.taxes_minor else 0 end as gross_sales_minor,
        lines.discounts_minor,
        coalesce(returned.returns_minor, 0)::bigint as returns_minor,
        lines.taxes_minor,
        current_timestamp as _built_at
    from lines
    left join returned
        on
            lines.order_id = returned.order_id
            and lines.line_id = returned.line_id
)

select * from final

{{ config(unique_key='order_id', indexes=[
    {'columns': ['order_id']}, {'columns': ['refund_id'], 'unique': true}, {'columns': ['refund_day']},
    {'columns': ['_built_at']}
], post_hook="{{ remove_placeholders('refund_id') }}") }}

{% set shipping_lines = "refund #> '{refundShippingLines,nodes}'" %}
{% set adjustments = "refund #> '{orderAdjustments,nodes}'" %}

with orders as (
    select * from {{ ref('stg_shopify__orders') }}
    {{ where_changed() }}
),

refunds as (
    select
        orders.*,
        refund,
        {{ sum_shop_money(shipping_lines, 'subtotalAmountSet', 'orders.currency') }} as charged_minor,
        {{ sum_shop_money(shipping_lines, 'taxAmountSet', 'orders.currency') }} as shipping_taxes_minor,
        {{ sum_shop_money(adjustments, 'amountSet', 'orders.currency') }} as adjustments_minor,
        {{ sum_shop_money(adjustments, 'taxAmountSet', 'orders.currency') }} as adjustment_taxes_minor
    from orders
    left join lateral jsonb_array_elements(orders.refunds) as refund on true
),

final as (
    select
        {{ shopify_id("refund ->> 'id'") }} as refund_id,
        order_id,
        (refund ->> 'createdAt')::timestamptz as refunded_at,
        {{ shop_day("(refund ->> 'createdAt')::timestamptz") }} as refund_day,
        currency,
        charged_minor - case when taxes_included then shipping_taxes_minor else 0 end as shipping_minor,
        shipping_taxes_minor,
        adjustments_minor,
        adjustment_taxes_minor,
        (charged_minor, shipping_taxes_minor, adjustments_minor, adjustment_taxes_minor) != (0, 0, 0, 0)
            as is_beyond_goods,
        current_timestamp as _built_at
    from refunds
)

select * from final

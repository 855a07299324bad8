{{ config(unique_key='order_id', indexes=[
    {'columns': ['order_id']}, {'columns': ['refund_line_id'], 'unique': true}, {'columns': ['refund_day']},
    {'columns': ['_built_at']}
], post_hook="{{ remove_placeholders('refund_line_id') }}") }}

with orders as (
    select * from {{ ref('stg_shopify__orders') }}
    {{ where_changed() }}
),

refund_lines as (
    select
        orders.*,
        refund,
        refund_line
    from orders
    left join lateral jsonb_array_elements(orders.refunds) as refund on true
    left join lateral jsonb_array_elements(refund #> '{refundLineItems,nodes}') as refund_line on true
),

final as (
    select
        {{ shopify_id("refund_line ->> 'id'") }} as refund_line_id,
        {{ shopify_id("refund ->> 'id'") }} as refund_id,
        order_id,
        {{ shopify_id("refund_line #>> '{lineItem,id}'") }} as line_id,
        (refund ->> 'createdAt')::timestamptz as refunded_at,
        {{ shop_day("(refund ->> 'createdAt')::timestamptz") }} as refund_day,
        currency,
        (refund_line ->> 'quantity')::integer as units,
        {{ shop_money('refund_line', 'subtotalSet', 'currency') }}
        - case when taxes_included then {{ shop_money('refund_line', 'totalTaxSet', 'currency') }} else 0 end
            as returns_minor,
        {{ shop_money('refund_line', 'totalTaxSet', 'currency') }} as taxes_minor,
        current_timestamp as _built_at
    from refund_lines
)

select * from final

{{ config(unique_key='order_id', indexes=[
    {'columns': ['order_id']}, {'columns': ['transaction_id'], 'unique': true}, {'columns': ['_built_at']}
], post_hook="{{ remove_placeholders('transaction_id') }}") }}

with orders as (
    select * from {{ ref('stg_shopify__orders') }}
    {{ where_changed() }}
),

final as (
    select
        {{ shopify_id("order_transaction ->> 'id'") }} as transaction_id,
        orders.order_id,
        {{ shopify_id("order_transaction #>> '{parentTransaction,id}'") }} as parent_transaction_id,
        order_transaction ->> 'kind' as kind,
        order_transaction ->> 'status' as status,
        order_transaction ->> 'gateway' as gateway,
        order_transaction ->> 'paymentId' as payment_id,
        order_transaction ->> 'errorCode' as error_code,
        orders.currency,
        {{ shop_money('order_transaction', 'amountSet', 'orders.currency') }} as amount_minor,
        orders.presentment_currency,
        {{ to_minor_units(
            "order_transaction #>> '{amountSet,presentmentMoney,amount}'", 'orders.presentment_currency'
        ) }} as presentment_minor,
        (order_transaction ->> 'processedAt')::timestamptz as processed_at,
        current_timestamp as _built_at
    from orders
    left join lateral jsonb_array_elements(orders.transactions) as order_transaction on true
)

select * from final

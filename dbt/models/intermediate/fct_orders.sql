{{ config(unique_key='order_id', indexes=[
    {'columns': ['order_id'], 'unique': true}, {'columns': ['buyer_key']}, {'columns': ['mailbox_key', 'processed_at']},
    {'columns': ['order_day']}, {'columns': ['_built_at']}
]) }}

with orders as (
    select * from {{ ref('stg_shopify__orders') }}
    {{ where_changed() }}
),

final as (
    select
        orders.order_id,
        orders.order_name,
        coalesce(orders.customer_id, 'guest:' || {{ mailbox_key('orders.email') }}, 'unknown') as buyer_key,
        orders.customer_id is null as is_guest,
        {{ mailbox_key('orders.email') }} as mailbox_key,
        orders.email,
        orders.created_at,
        orders.processed_at,
        {{ shop_day('orders.processed_at') }} as order_day,
        orders.updated_at,
        orders.cancelled_at,
        orders.financial_status,
        orders.fulfillment_status,
        orders.is_test,
        orders.is_deleted,
        coalesce(
            not orders.is_deleted
            and not orders.is_test
            and orders.cancelled_at is null
            and orders.financial_status not in ('PENDING', 'VOIDED', 'EXPIRED'),
            false
        ) as is_sale,
        orders.shipping_country_code as country_code,
        {{ region('orders.shipping_country_code', 'countries.region') }} as region,
        orders.taxes_included,
        orders.presentment_currency,
        orders.currency,
        totals.units_ordered,
        totals.units_returned,
        totals.gross_sales_minor,
        totals.discounts_minor,
        totals.returns_minor,
        totals.net_sales_minor,
        totals.taxes_minor,
        totals.shipping_minor,
        payments.paid_minor,
        payments.refunded_minor,
        current_timestamp as _built_at
    from orders
    left join {{ ref('int_order_totals') }} as totals on orders.order_id = totals.order_id
    left join {{ ref('int_order_payments') }} as payments on orders.order_id = payments.order_id
    left join {{ ref('countries') }} as countries on orders.shipping_country_code = countries.code
)

select * from final

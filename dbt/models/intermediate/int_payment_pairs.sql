{{ config(materialized='ephemeral') }}

with orders as (
    select
        orders.order_id,
        orders.presentment_currency,
        payments.presentment_paid_minor,
        payments.presentment_refunded_minor,
        coalesce(payments.last_moved_at, orders.processed_at) as last_moved_at
    from {{ ref('fct_orders') }} as orders
    inner join {{ ref('int_order_payments') }} as payments on orders.order_id = payments.order_id
    where
        not orders.is_test
        and not orders.is_deleted
),

charges as (
    select * from {{ ref('int_order_charges') }}
),

final as (
    select
        coalesce('order:' || orders.order_id, 'charge:' || charges.charge_id) as payment_key,
        orders.order_id,
        charges.charge_id,
        coalesce(orders.presentment_currency, charges.currency) as currency,
        coalesce(charges.charges, 0) as charges,
        coalesce(charges.foreign_charges, 0) as foreign_charges,
        coalesce(charges.has_twins, false) as has_twins,
        coalesce(orders.presentment_paid_minor, 0) as shopify_paid_minor,
        coalesce(orders.presentment_refunded_minor, 0) as shopify_refunded_minor,
        coalesce(charges.captured_minor, 0) as stripe_captured_minor,
        coalesce(charges.refunded_minor, 0) as stripe_refunded_minor,
        coalesce(charges.disputed_minor, 0) as stripe_disputed_minor,
        charges.settlement_currency,
        coalesce(charges.fees_minor, 0) as fees_minor,
        coalesce(charges.net_minor, 0) as net_minor,
        greatest(orders.last_moved_at, charges.last_moved_at) as last_moved_at
    from orders
    full outer join charges on orders.order_id = charges.order_id
    where
        orders.presentment_paid_minor != 0
        or orders.presentment_refunded_minor != 0
        or charges.charges > 0
)

select * from final

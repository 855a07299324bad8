{{ config(unique_key='order_id', indexes=[{'columns': ['order_id'], 'unique': true}, {'columns': ['_built_at']}]) }}

{% set stripe_gateways = var('stripe_gateways') | map('lower') | join("', '") %}

with orders as (
    select * from {{ ref('stg_shopify__orders') }}
    {{ where_changed() }}
),

steps as (
    select * from {{ ref('fct_order_transactions') }}
    where
        status = 'SUCCESS'
        and order_id in (select orders.order_id from orders)
),

told as (
    select
        steps.*,
        -- A capture that follows a sale tells of the same money.
        steps.kind = 'SALE' or (steps.kind = 'CAPTURE' and parents.kind is distinct from 'SALE') as is_payment,
        steps.kind = 'REFUND' as is_refund,
        -- Who does not say is taken for Stripe: its money is then looked for there, and not explained away.
        coalesce(
            lower(steps.gateway) in ('{{ stripe_gateways }}'), true
        ) as is_stripe,
        {{ minor_units_per_unit('steps.currency') }}::numeric as shop_units,
        {{ minor_units_per_unit('steps.presentment_currency') }}::numeric as presentment_units
    from steps
    left join steps as parents on steps.parent_transaction_id = parents.transaction_id
),

moved as (
    select
        order_id,
        sum(amount_minor) filter (where is_payment) as paid_minor,
        sum(amount_minor) filter (where is_refund) as refunded_minor,
        sum(presentment_minor) filter (where is_payment and is_stripe) as presentment_paid_minor,
        sum(presentment_minor) filter (where is_refund and is_stripe) as presentment_refunded_minor,
        sum(presentment_minor) filter (where is_payment and not is_stripe) as elsewhere_paid_minor,
        sum(presentment_minor) filter (where is_refund and not is_stripe) as elsewhere_refunded_minor,
        sum(amount_minor / shop_units) filter (where is_payment)
        / nullif(sum(presentment_minor / presentment_units) filter (where is_payment), 0) as shop_rate,
        max(processed_at) filter (where is_payment or is_refund) as last_moved_at
    from told
    group by order_id
),

final as (
    select
        orders.order_id,
        coalesce(moved.paid_minor, 0)::bigint as paid_minor,
        coalesce(moved.refunded_minor, 0)::bigint as refunded_minor,
        coalesce(moved.presentment_paid_minor, 0)::bigint as presentment_paid_minor,
        coalesce(moved.presentment_refunded_minor, 0)::bigint as presentment_refunded_minor,
        coalesce(moved.elsewhere_paid_minor, 0)::bigint as elsewhere_paid_minor,
        coalesce(moved.elsewhere_refunded_minor, 0)::bigint as elsewhere_refunded_minor,
        moved.shop_rate,
        moved.last_moved_at,
        current_timestamp as _built_at
    from orders
    left join moved on orders.order_id = moved.order_id
)

select * from final

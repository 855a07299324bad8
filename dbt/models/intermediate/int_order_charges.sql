{{ config(materialized='ephemeral') }}

with payments as (
    select * from {{ ref('fct_payments') }}
    where
        captured_minor > 0
        and not is_deleted
),

orders as (
    select * from {{ ref('fct_orders') }}
    where
        not is_test
        and not is_deleted
),

known as (
    select
        payments.*,
        orders.order_id as known_order_id,
        case when orders.order_id is null then payments.charge_id end as stray_charge_id,
        coalesce(orders.presentment_currency, payments.currency) as asked_currency
    from payments
    left join orders on payments.order_id = orders.order_id
),

final as (
    select
        known_order_id as order_id,
        stray_charge_id as charge_id,
        asked_currency as currency,
        count(*) as charges,
        count(*) filter (where currency != asked_currency) as foreign_charges,
        count(*) filter (where currency = asked_currency)
        > count(distinct captured_minor) filter (where currency = asked_currency) as has_twins,
        coalesce(sum(captured_minor) filter (where currency = asked_currency), 0) as captured_minor,
        coalesce(sum(refunded_minor) filter (where currency = asked_currency), 0) as refunded_minor,
        -- A dispute that was won, or that only warns, holds no money.
        coalesce(sum(disputed_minor) filter (
            where currency = asked_currency and dispute_status in ('needs_response', 'under_review', 'lost')
        ), 0) as disputed_minor,
        max(settlement_currency) as settlement_currency,
        sum(fees_minor) as fees_minor,
        sum(net_minor) as net_minor,
        max(coalesce(last_moved_at, created_at)) as last_moved_at
    from known
    group by known_order_id, stray_charge_id, asked_currency
)

select * from final

{{ config(materialized='ephemeral') }}

with payouts as (
    select
        *,
        lag(created_at, 1, '-infinity') over (partition by currency order by created_at, payout_id) as previous_at
    from {{ ref('stg_stripe__payouts') }}
    where not is_deleted
),

movements as (
    select * from {{ ref('fct_balance_movements') }}
    where
        not is_deleted
        and reporting_category != 'payout'
),

-- Stripe's list does not say which payout a movement went into. An automatic payout empties what is available:
-- all that has become so since the payout before it.
final as (
    select
        payouts.payout_id,
        payouts.status,
        payouts.created_at,
        payouts.arrives_at,
        payouts.currency,
        payouts.amount_minor,
        count(movements.balance_transaction_id) as movements,
        coalesce(sum(movements.amount_minor), 0) as gross_minor,
        coalesce(sum(movements.fee_minor), 0) as fees_minor,
        coalesce(sum(movements.net_minor), 0) as net_minor
    from payouts
    left join movements
        on
            payouts.currency = movements.currency
            and payouts.previous_at < movements.available_at
            and payouts.created_at >= movements.available_at
    group by
        payouts.payout_id,
        payouts.status,
        payouts.created_at,
        payouts.arrives_at,
        payouts.currency,
        payouts.amount_minor
)

select * from final

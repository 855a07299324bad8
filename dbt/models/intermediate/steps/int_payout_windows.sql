-- Stripe's list does not say which payout a movement went into. An automatic payout empties what is available:
-- all that has become so since the payout before it.
with final as (
    select
        payout_id,
        status,
        created_at,
        arrives_at,
        currency,
        amount_minor,
        lag(created_at, 1, '-infinity') over (partition by currency order by created_at, payout_id) as previous_at
    from {{ ref('stg_stripe__payouts') }}
    where not is_deleted
)

select * from final

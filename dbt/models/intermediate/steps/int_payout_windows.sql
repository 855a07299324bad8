-- A movement does not say which payout it went into; Stripe would for one automatic payout at a time
-- (`/v1/balance_transactions?payout=`), which is a request for each and is not synced. So it is told by time: an
-- automatic payout empties what is available, all that has become so since the automatic one before it.
with final as (
    select
        payout_id,
        status,
        is_automatic,
        created_at,
        currency,
        amount_minor,
        lag(created_at, 1, '-infinity') over (
            partition by currency, is_automatic order by created_at, payout_id
        ) as previous_at
    from {{ ref('stg_stripe__payouts') }}
    where not is_deleted
)

select * from final

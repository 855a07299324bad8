{{ config(unique_key='payout_id', indexes=[
    {'columns': ['payout_id'], 'unique': true}, {'columns': ['_built_at']}
], post_hook="{{ remove_placeholders('currency') }}") }}

with payouts as (
    select * from {{ ref('int_payout_windows') }}
),

moments as (
    select
        currency,
        {{ each_of('_available_ats', 'timestamptz') }} as moment
    from {{ ref('fct_balance_movements') }}
    {{ where_changed() }}
    union distinct
    select
        currency,
        created_at as moment
    from {{ ref('stg_stripe__payouts') }}
    {{ where_changed() }}
),

changed as (
    select payout_id from {{ ref('stg_stripe__payouts') }}
    {{ where_changed() }}
    {% if is_incremental() %}
    union distinct
    select payouts.payout_id
    from payouts
    inner join moments
        on
            payouts.currency = moments.currency
            and moments.moment between payouts.previous_at and payouts.created_at
    {% endif %}
),

by_hand as (
    select payout_id from payouts
    where not is_automatic
),

-- One row of `payouts` each: max() only carries its columns over.
final as (
    select
        changed.payout_id,
        max(payouts.status) as status,
        bool_and(payouts.is_automatic) as is_automatic,
        max(payouts.created_at) as created_at,
        max(payouts.currency) as currency,
        max(payouts.amount_minor) as amount_minor,
        count(movements.balance_transaction_id) as movements,
        coalesce(sum(movements.amount_minor), 0)::bigint as gross_minor,
        coalesce(sum(movements.fee_minor), 0)::bigint as fees_minor,
        coalesce(sum(movements.net_minor), 0)::bigint as net_minor,
        current_timestamp as _built_at
    from changed
    left join payouts on changed.payout_id = payouts.payout_id
    left join {{ ref('fct_balance_movements') }} as movements
        on
            payouts.currency = movements.currency
            and payouts.previous_at < movements.available_at
            and payouts.created_at >= movements.available_at
            and payouts.is_automatic
            and not movements.is_deleted
            -- What somebody sent by hand is missing from what the next automatic payout empties.
            and (movements.reporting_category != 'payout' or movements.source_id in (select payout_id from by_hand))
    group by changed.payout_id
)

select * from final

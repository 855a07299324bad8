{{ config(unique_key='payout_id', indexes=[{'columns': ['payout_id'], 'unique': true}, {'columns': ['_built_at']}],
    post_hook="{{ remove_placeholders('currency') }}") }}

with payouts as (
    select * from {{ ref('int_payout_windows') }}
),

moments as (
    select
        currency,
        {{ each_of('_available_ats', 'timestamptz') }} as moment
    from {{ ref('fct_balance_movements') }} {{ where_changed() }}
    union distinct
    select
        currency,
        created_at as moment
    from {{ ref('stg_stripe__payouts') }} {{ where_changed() }}
),

changed as (
    select payout_id from {{ ref('stg_stripe__payouts') }} {{ where_changed() }}
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

-- Payout by payout: a join of all with all would be far too many pairs, and the planner may try it.
final as (
    select
        changed.payout_id,
        payouts.status,
        payouts.is_automatic,
        payouts.created_at,
        payouts.currency,
        payouts.amount_minor,
        sums.*,
        current_timestamp as _built_at
    from changed
    left join payouts on changed.payout_id = payouts.payout_id
    cross join lateral (
        select
            count(*) as movements,
            coalesce(sum(movements.amount_minor), 0)::bigint as gross_minor,
            coalesce(sum(movements.fee_minor), 0)::bigint as fees_minor,
            coalesce(sum(movements.net_minor), 0)::bigint as net_minor
        from {{ ref('fct_balance_movements') }} as movements
        where
            payouts.currency = movements.currency
            and payouts.previous_at < movements.available_at
            and payouts.created_at >= movements.available_at
            and payouts.is_automatic
            and not movements.is_deleted
            -- What somebody sent by hand is missing from what the next automatic payout empties.
            and (
                movements.reporting_category != 'payout'
                or movements.source_id in (
                    select others.payout_id from payouts as others
                    where not others.is_automatic
                )
            )
    ) as sums
)

select * from final

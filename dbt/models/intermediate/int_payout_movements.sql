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

final as (
    select
        changed.payout_id,
        payouts.status,
        payouts.created_at,
        payouts.arrives_at,
        payouts.currency,
        payouts.amount_minor,
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
            and not movements.is_deleted
            and movements.reporting_category != 'payout'
    group by
        changed.payout_id,
        payouts.status,
        payouts.created_at,
        payouts.arrives_at,
        payouts.currency,
        payouts.amount_minor
)

select * from final

{{ config(unique_key='charge_id', indexes=[
    {'columns': ['charge_id'], 'unique': true}, {'columns': ['order_id']}, {'columns': ['_built_at']}
]) }}

with charges as not materialized (
    select * from {{ ref('stg_stripe__charges') }}
),

reversals as not materialized (
    select * from {{ ref('int_charge_reversals') }}
),

settlements as not materialized (
    select * from {{ ref('int_charge_settlements') }}
),

changed as (
    select charge_id from charges {{ where_changed() }}
    union distinct
    select charge_id from reversals {{ where_changed() }}
    union distinct
    select charge_id from settlements {{ where_changed() }}
),

final as (
    select
        charges.charge_id,
        charges.order_id,
        charges.stripe_customer_id,
        charges.status,
        charges.failure_code,
        charges.is_captured,
        charges.created_at,
        {{ shop_day('charges.created_at') }} as payment_day,
        charges.currency,
        charges.amount_minor,
        charges.captured_minor,
        -- Stripe shows the release of money that was never captured as a refund too.
        case when charges.is_captured then coalesce(reversals.refunded_minor, 0) else 0 end as refunded_minor,
        reversals.dispute_status,
        coalesce(reversals.disputed_minor, 0) as disputed_minor,
        settlements.currency as settlement_currency,
        coalesce(settlements.fees_minor, 0) as fees_minor,
        coalesce(settlements.net_minor, 0) as net_minor,
        settlements.last_moved_at,
        charges.is_deleted,
        current_timestamp as _built_at
    from charges
    inner join changed on charges.charge_id = changed.charge_id
    left join reversals on charges.charge_id = reversals.charge_id
    left join settlements on charges.charge_id = settlements.charge_id
)

select * from final

{{ config(unique_key='charge_id', indexes=[{'columns': ['charge_id'], 'unique': true},
    {'columns': ['order_id']}, {'columns': ['_built_at']}]) }}

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

known as (
    select
        charges.*,
        case when charges.is_captured then coalesce(reversals.refunded_minor, 0) else 0 end as returned_minor,
        reversals.dispute_status,
        coalesce(reversals.disputed_minor, 0) as disputed_minor,
        coalesce(reversals.withheld_minor, 0) as withheld_minor,
        {{ minor_units_per_unit('charges.currency') }}::numeric as units
    from charges
    inner join changed on charges.charge_id = changed.charge_id
    left join reversals on charges.charge_id = reversals.charge_id
),

final as (
    select
        known.charge_id,
        known.order_id,
        known.stripe_customer_id,
        known.status,
        known.failure_code,
        known.is_captured,
        known.created_at,
        known.currency,
        known.amount_minor,
        known.captured_minor,
        known.returned_minor as refunded_minor,
        known.dispute_status,
        known.disputed_minor,
        known.withheld_minor,
        case
            when abs(gaps.minor) > coalesce(settlements.settled_leeway, 0) * known.units then gaps.minor else 0
        end as unsettled_minor,
        settlements.exchange_rate,
        settlements.currency as settlement_currency,
        coalesce(settlements.fees_minor, 0) as fees_minor,
        coalesce(settlements.net_minor, 0) as net_minor,
        settlements.last_moved_at,
        known.is_deleted,
        current_timestamp as _built_at
    from known
    left join settlements on known.charge_id = settlements.charge_id
    cross join lateral (
        select captured_minor - returned_minor - withheld_minor - round(coalesce(settled, 0) * units)::bigint as minor
    ) as gaps
)

select * from final

{{ config(unique_key='charge_id', indexes=[
    {'columns': ['charge_id'], 'unique': true}, {'columns': ['order_id']}, {'columns': ['_built_at']}
]) }}

with charges as not materialized (
    select * from {{ ref('stg_stripe__charges') }}
),

refunds as not materialized (
    select * from {{ ref('stg_stripe__refunds') }}
),

disputes as not materialized (
    select * from {{ ref('stg_stripe__disputes') }}
),

movements as not materialized (
    select * from {{ ref('fct_balance_movements') }}
),

changed as (
    select charge_id from charges {{ where_changed() }}
    union distinct
    select charge_id from refunds {{ where_changed() }}
    union distinct
    select charge_id from disputes {{ where_changed() }}
    union distinct
    select charge_id from movements {{ where_changed() }}
),

changed_charges as (
    select charges.*
    from charges
    inner join changed on charges.charge_id = changed.charge_id
),

refunded as (
    select
        charge_id,
        sum(amount_minor) as refunded_minor
    from refunds
    where
        status = 'succeeded'
        and not is_deleted
        and charge_id in (select changed.charge_id from changed)
    group by charge_id
),

disputed as (
    select distinct on (charge_id)
        charge_id,
        amount_minor,
        status
    from disputes
    where
        not is_deleted
        and charge_id in (select changed.charge_id from changed)
    order by charge_id asc, created_at desc, dispute_id desc
),

settled as (
    select
        charge_id,
        max(currency) as currency,
        sum(fee_minor) as fees_minor,
        sum(net_minor) as net_minor
    from movements
    where
        not is_deleted
        and charge_id in (select changed.charge_id from changed)
    group by charge_id
),

final as (
    select
        changed_charges.charge_id,
        changed_charges.order_id,
        changed_charges.stripe_customer_id,
        changed_charges.status,
        changed_charges.failure_code,
        changed_charges.is_captured,
        changed_charges.created_at,
        {{ shop_day('changed_charges.created_at') }} as payment_day,
        changed_charges.currency,
        changed_charges.amount_minor,
        changed_charges.captured_minor,
        -- Stripe shows the release of money that was never captured as a refund too.
        case
            when changed_charges.is_captured then coalesce(refunded.refunded_minor, 0)::bigint
            else 0
        end as refunded_minor,
        disputed.status as dispute_status,
        coalesce(disputed.amount_minor, 0)::bigint as disputed_minor,
        settled.currency as settlement_currency,
        coalesce(settled.fees_minor, 0)::bigint as fees_minor,
        coalesce(settled.net_minor, 0)::bigint as net_minor,
        changed_charges.is_deleted,
        current_timestamp as _built_at
    from changed_charges
    left join refunded on changed_charges.charge_id = refunded.charge_id
    left join disputed on changed_charges.charge_id = disputed.charge_id
    left join settled on changed_charges.charge_id = settled.charge_id
)

select * from final

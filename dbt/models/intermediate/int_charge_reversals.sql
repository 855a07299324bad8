{{ config(unique_key='charge_id', indexes=[{'columns': ['charge_id'], 'unique': true}, {'columns': ['_built_at']}]) }}

with refunds as not materialized (
    select * from {{ ref('stg_stripe__refunds') }}
),

disputes as not materialized (
    select * from {{ ref('stg_stripe__disputes') }}
),

changed as (
    select charge_id from refunds {{ where_changed() }}
    union distinct
    select charge_id from disputes {{ where_changed() }}
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

final as (
    select
        changed.charge_id,
        coalesce(refunded.refunded_minor, 0)::bigint as refunded_minor,
        disputed.status as dispute_status,
        coalesce(disputed.amount_minor, 0)::bigint as disputed_minor,
        -- A dispute that was won, or that only warns, holds no money.
        case
            when disputed.status in ('needs_response', 'under_review', 'lost') then disputed.amount_minor else 0
        end::bigint as withheld_minor,
        current_timestamp as _built_at
    from changed
    left join refunded on changed.charge_id = refunded.charge_id
    left join disputed on changed.charge_id = disputed.charge_id
    where changed.charge_id is not null
)

select * from final

{{ config(unique_key='charge_id', indexes=[{'columns': ['charge_id'], 'unique': true}, {'columns': ['_built_at']}]) }}

with movements as not materialized (
    select * from {{ ref('fct_balance_movements') }}
),

changed as (
    select distinct charge_id from movements {{ where_changed() }}
),

-- A charge whose movements are all deleted keeps its row, without money.
final as (
    select
        changed.charge_id,
        max(movements.currency) as currency,
        coalesce(sum(movements.fee_minor), 0)::bigint as fees_minor,
        coalesce(sum(movements.net_minor), 0)::bigint as net_minor,
        max(movements.created_at) as last_moved_at,
        current_timestamp as _built_at
    from changed
    left join movements
        on
            changed.charge_id = movements.charge_id
            and not movements.is_deleted
    where changed.charge_id is not null
    group by changed.charge_id
)

select * from final

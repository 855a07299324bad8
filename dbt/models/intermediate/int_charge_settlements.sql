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
        -- Back in the buyer's currency, to be held against what was captured. An exchange rate that is told with few
        -- digits and the whole minor unit of each movement leave a little room, one currency for both leaves none.
        coalesce(sum(amounts.gross / coalesce(movements.exchange_rate, 1)), 0)::numeric(24, 6) as settled,
        coalesce(
            sum((0.0001 * abs(amounts.gross) + 1 / currencies.units) / movements.exchange_rate), 0
        )::numeric(24, 6) as settled_leeway,
        max(movements.exchange_rate) filter (where movements.reporting_category = 'charge') as exchange_rate,
        max(movements.created_at) as last_moved_at,
        current_timestamp as _built_at
    from changed
    left join movements
        on
            changed.charge_id = movements.charge_id
            and not movements.is_deleted
    cross join lateral (select {{ minor_units_per_unit('movements.currency') }}::numeric as units) as currencies
    cross join lateral (select (movements.net_minor + movements.fee_minor) / currencies.units as gross) as amounts
    where changed.charge_id is not null
    group by changed.charge_id
)

select * from final

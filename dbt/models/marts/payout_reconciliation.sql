{{ config(indexes=[{'columns': ['payout_id']}]) }}

with payouts as (
    select
        *,
        {{ minor_units_per_unit('currency') }} as minor_units
    from {{ ref('int_payout_movements') }}
),

final as (
    select
        payout_id,
        {{ shop_day('created_at') }} as payout_day,
        status,
        (amount_minor::numeric / minor_units)::numeric(18, 2) as payout_amount,
        movements,
        (gross_minor::numeric / minor_units)::numeric(18, 2) as movements_gross,
        (fees_minor::numeric / minor_units)::numeric(18, 2) as movements_fees,
        (net_minor::numeric / minor_units)::numeric(18, 2) as movements_net,
        ((amount_minor - net_minor)::numeric / minor_units)::numeric(18, 2) as payout_difference,
        currency
    from payouts
)

select * from final

{{ config(indexes=[{'columns': ['payout_id']}]) }}

with payouts as (
    select
        *,
        amount_minor - net_minor as difference_minor,
        case
            when not is_automatic then 'manual'
            when amount_minor = net_minor then 'matched'
            when created_at > {{ as_of() }} - interval '{{ var("payments_settle_days") }} days' then 'timing'
            else 'amount'
        end as classification
    from {{ ref('int_payout_movements') }}
),

final as (
    select
        payout_id,
        {{ shop_day('created_at') }} as payout_day,
        status,
        classification,
        classification != 'amount' as is_explained,
        {{ shop_day(as_of()) }} - {{ shop_day('created_at') }} as age_days,
        {{ from_minor_units('amount_minor', 'currency') }} as payout_amount,
        movements,
        {{ from_minor_units('gross_minor', 'currency') }} as movements_gross,
        {{ from_minor_units('fees_minor', 'currency') }} as movements_fees,
        {{ from_minor_units('net_minor', 'currency') }} as movements_net,
        {{ from_minor_units('difference_minor', 'currency') }} as payout_difference,
        currency,
        {{ from_minor_units("case when classification = 'amount' then abs(difference_minor) else 0 end", 'currency') }}
            as unexplained_amount
    from payouts
)

select * from final

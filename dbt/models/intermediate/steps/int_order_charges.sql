with charges as (
    select * from {{ ref('int_charge_orders') }}
),

payments as (
    select * from {{ ref('fct_payments') }}
    where
        captured_minor > 0
        and not is_deleted
),

known as (
    select
        payments.*,
        charges.payment_key,
        coalesce(orders.presentment_currency, payments.currency) as asked_currency
    from charges
    inner join payments on charges.charge_id = payments.charge_id
    left join {{ ref('fct_orders') }} as orders on charges.order_id = orders.order_id
),

final as (
    select
        payment_key,
        asked_currency as currency,
        count(*) as charges,
        count(*) filter (where currency != asked_currency) as foreign_charges,
        count(*) filter (where currency = asked_currency)
        > count(distinct captured_minor) filter (where currency = asked_currency) as has_twins,
        coalesce(sum(captured_minor) filter (where currency = asked_currency), 0)::bigint as captured_minor,
        coalesce(sum(refunded_minor) filter (where currency = asked_currency), 0)::bigint as refunded_minor,
        coalesce(sum(withheld_minor) filter (where currency = asked_currency), 0)::bigint as disputed_minor,
        coalesce(sum(abs(unsettled_minor)) filter (where currency = asked_currency), 0)::bigint as unsettled_minor,
        max(exchange_rate) filter (where currency = asked_currency) as exchange_rate,
        max(settlement_currency) as settlement_currency,
        sum(fees_minor)::bigint as fees_minor,
        sum(net_minor)::bigint as net_minor,
        max(coalesce(last_moved_at, created_at)) as last_moved_at
    from known
    group by payment_key, asked_currency
)

select * from final

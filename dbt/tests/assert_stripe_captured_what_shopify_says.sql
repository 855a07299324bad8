-- Two systems tell of the same money. They are loaded minutes apart, so a difference is a warning.
-- Only where the buyer paid in the shop's currency: elsewhere the exchange rates differ.
{{ config(severity='warn') }}

with payments as (
    select
        order_id,
        sum(captured_minor) as captured_minor
    from {{ ref('fct_payments') }}
    where
        currency = '{{ var("shop_currency") }}'
        and not is_deleted
    group by order_id
),

final as (
    select
        orders.order_id,
        orders.paid_minor,
        payments.captured_minor
    from payments
    inner join {{ ref('fct_orders') }} as orders on payments.order_id = orders.order_id
    where
        orders.presentment_currency = '{{ var("shop_currency") }}'
        and orders.paid_minor != payments.captured_minor
)

select * from final

{{ config(unique_key='payment_key', indexes=[
    {'columns': ['payment_key'], 'unique': true}, {'columns': ['_built_at']}
], post_hook="{{ remove_placeholders('currency') }}") }}

{% set changed_keys %}
    select 'order:' || order_id as payment_key from {{ ref('fct_orders') }} {{ where_changed() }}
    union distinct
    select {{ each_of('_payment_keys', 'text') }} as payment_key from {{ ref('int_charge_orders') }} {{ where_changed() }}
{% endset %}

with changed as (
    {{ changed_keys }}
),

orders as (
    select
        payments.*,
        orders.presentment_currency,
        coalesce(payments.last_moved_at, orders.processed_at) as known_at
    from {{ ref('fct_orders') }} as orders
    inner join {{ ref('int_order_payments') }} as payments on orders.order_id = payments.order_id
    where
        not orders.is_test
        and not orders.is_deleted
),

charges as (
    select * from {{ ref('int_order_charges') }}
    where {{ among('payment_key', changed_keys) }}
),

final as (
    select
        changed.payment_key,
        substring(changed.payment_key from '^order:(.*)') as order_id,
        substring(changed.payment_key from '^charge:(.*)') as charge_id,
        case
            when
                (orders.presentment_paid_minor, orders.presentment_refunded_minor) != (0, 0)
                or (orders.elsewhere_paid_minor, orders.elsewhere_refunded_minor) != (0, 0)
                or charges.charges > 0
                then coalesce(orders.presentment_currency, charges.currency)
        end as currency,
        coalesce(charges.charges, 0) as charges,
        coalesce(charges.foreign_charges, 0) as foreign_charges,
        coalesce(charges.has_twins, false) as has_twins,
        coalesce(orders.presentment_paid_minor, 0) as shopify_paid_minor,
        coalesce(orders.presentment_refunded_minor, 0) as shopify_refunded_minor,
        coalesce(orders.elsewhere_paid_minor - orders.elsewhere_refunded_minor, 0) as elsewhere_minor,
        coalesce(charges.captured_minor, 0) as stripe_captured_minor,
        coalesce(charges.refunded_minor, 0) as stripe_refunded_minor,
        coalesce(charges.disputed_minor, 0) as stripe_disputed_minor,
        coalesce(charges.unsettled_minor, 0) as stripe_unsettled_minor,
        -- As the order was paid, else as Stripe exchanged it. What nobody tells counts one to one, and not as nothing.
        coalesce(
            orders.shop_rate,
            case when charges.settlement_currency = '{{ var("shop_currency") }}' then charges.exchange_rate end,
            1
        ) as shop_rate,
        charges.settlement_currency,
        coalesce(charges.fees_minor, 0) as fees_minor,
        coalesce(charges.net_minor, 0) as net_minor,
        greatest(orders.known_at, charges.last_moved_at) as last_moved_at,
        current_timestamp as _built_at
    from changed
    left join orders on substring(changed.payment_key from '^order:(.*)') = orders.order_id
    left join charges on changed.payment_key = charges.payment_key
)

select * from final

{{ config(indexes=[{'columns': ['payment_key']}, {'columns': ['classification']}]) }}

with payments as (
    select * from {{ ref('int_payment_classes') }}
),

final as (
    select
        payment_key,
        order_id,
        charge_id,
        {{ shop_day('last_moved_at') }} as last_moved_day,
        classification,
        is_explained,
        {{ shop_day(as_of()) }} - {{ shop_day('last_moved_at') }} as age_days,
        charges,
        {{ from_minor_units('shopify_paid_minor', 'currency') }} as shopify_paid,
        {{ from_minor_units('shopify_refunded_minor', 'currency') }} as shopify_refunded,
        {{ from_minor_units('elsewhere_minor', 'currency') }} as other_gateways_paid,
        {{ from_minor_units('stripe_captured_minor', 'currency') }} as stripe_captured,
        {{ from_minor_units('stripe_refunded_minor', 'currency') }} as stripe_refunded,
        {{ from_minor_units('stripe_disputed_minor', 'currency') }} as stripe_disputed,
        {{ from_minor_units('difference_minor', 'currency') }} as payment_difference,
        {{ from_minor_units('stripe_unsettled_minor', 'currency') }} as stripe_unsettled,
        currency,
        {{ from_minor_units('fees_minor', 'settlement_currency') }} as stripe_fees,
        {{ from_minor_units('net_minor', 'settlement_currency') }} as stripe_net,
        settlement_currency,
        case when is_explained then 0 else off_amount end::numeric(18, 2) as unexplained_amount
    from payments
)

select * from final

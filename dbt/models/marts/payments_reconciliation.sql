{{ config(indexes=[{'columns': ['payment_key']}, {'columns': ['classification']}]) }}

with pairs as (
    select
        *,
        shopify_paid_minor - shopify_refunded_minor - stripe_captured_minor + stripe_refunded_minor as difference_minor,
        last_moved_at > {{ as_of() }} - interval '{{ var("payments_settle_days") }} days' as is_fresh
    from {{ ref('int_payment_pairs') }}
),

final as (
    select
        payment_key,
        order_id,
        charge_id,
        {{ shop_day('last_moved_at') }} as last_moved_day,
        case
            when foreign_charges > 0 then 'currency'
            when difference_minor = 0 and stripe_disputed_minor = 0 then 'matched'
            -- Shopify knows of a dispute only when somebody wrote it down there as a refund.
            when stripe_disputed_minor > 0 and difference_minor in (0, -stripe_disputed_minor) then 'dispute'
            when order_id is not null and has_twins and difference_minor < 0 then 'duplicate'
            when is_fresh then 'timing'
            when order_id is null then 'missing order'
            when charges = 0 then 'missing payment'
            else 'amount'
        end as classification,
        {{ shop_day(as_of()) }} - {{ shop_day('last_moved_at') }} as age_days,
        charges,
        {{ from_minor_units('shopify_paid_minor', 'currency') }} as shopify_paid,
        {{ from_minor_units('shopify_refunded_minor', 'currency') }} as shopify_refunded,
        {{ from_minor_units('stripe_captured_minor', 'currency') }} as stripe_captured,
        {{ from_minor_units('stripe_refunded_minor', 'currency') }} as stripe_refunded,
        {{ from_minor_units('stripe_disputed_minor', 'currency') }} as stripe_disputed,
        {{ from_minor_units('difference_minor', 'currency') }} as payment_difference,
        currency,
        {{ from_minor_units('fees_minor', 'settlement_currency') }} as stripe_fees,
        {{ from_minor_units('net_minor', 'settlement_currency') }} as stripe_net,
        settlement_currency
    from pairs
)

select * from final

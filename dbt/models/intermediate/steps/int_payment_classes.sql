with pairs as (
    select
        *,
        shopify_paid_minor - shopify_refunded_minor - stripe_captured_minor + stripe_refunded_minor as difference_minor,
        last_moved_at > {{ as_of() }} - interval '{{ var("payments_settle_days") }} days' as is_fresh
    from {{ ref('int_payment_pairs') }}
),

classified as (
    select
        *,
        case
            when foreign_charges > 0 then 'currency'
            when charges = 0 and shopify_paid_minor = 0 and shopify_refunded_minor = 0 then 'other gateway'
            when difference_minor = 0 and stripe_disputed_minor = 0 and stripe_unsettled_minor = 0 then 'matched'
            -- Shopify knows of a dispute only when somebody wrote it down there as a refund.
            when
                stripe_disputed_minor > 0
                and difference_minor in (0, -stripe_disputed_minor)
                and stripe_unsettled_minor = 0
                then 'dispute'
            when order_id is not null and has_twins and difference_minor < 0 then 'duplicate'
            when is_fresh then 'timing'
            when order_id is null and difference_minor != 0 then 'missing order'
            when charges = 0 then 'missing payment'
            when difference_minor in (0, -stripe_disputed_minor) then 'settlement'
            else 'amount'
        end as classification,
        -- The charges in another currency are in no difference: the whole of them stands for it.
        greatest(
            case
                when difference_minor != -stripe_disputed_minor
                    then {{ from_minor_units('abs(difference_minor)', 'currency') }} * shop_rate
            end,
            {{ from_minor_units('stripe_unsettled_minor', 'currency') }} * shop_rate,
            case
                when foreign_charges > 0
                    then {{ from_minor_units('abs(net_minor + fees_minor)', 'settlement_currency') }}
            end
        )::numeric(18, 2) as off_amount
    from pairs
),

final as (
    select
        payment_key,
        order_id,
        charge_id,
        last_moved_at,
        classification,
        classification in ('matched', 'other gateway', 'timing', 'dispute') as is_explained,
        charges,
        currency,
        shopify_paid_minor,
        shopify_refunded_minor,
        elsewhere_minor,
        stripe_captured_minor,
        stripe_refunded_minor,
        stripe_disputed_minor,
        difference_minor,
        stripe_unsettled_minor,
        settlement_currency,
        fees_minor,
        net_minor,
        off_amount
    from classified
)

select * from final

with refunds as (
    select * from {{ ref('fct_refunds') }}
    where is_beyond_goods
),

weighed as (
    select
        refunds.*,
        lines.line_id,
        lines.product_id,
        lines.weight
    from refunds
    inner join {{ ref('int_line_revenue') }} as lines on refunds.order_id = lines.order_id
),

-- Shared by day, too, though a refund has but one: so who asks for a few days has only theirs shared.
final as (
    select
        order_id,
        refund_id,
        line_id,
        product_id,
        refund_day,
        -({{ share_of('shipping_minor', 'weight', 'refund_day, refund_id', 'line_id') }})::bigint as shipping_minor,
        ({{ share_of('adjustments_minor', 'weight', 'refund_day, refund_id', 'line_id') }})::bigint
            as adjustments_minor,
        (
            {{ share_of('adjustment_taxes_minor', 'weight', 'refund_day, refund_id', 'line_id') }}
            - ({{ share_of('shipping_taxes_minor', 'weight', 'refund_day, refund_id', 'line_id') }})
        )::bigint as taxes_minor
    from weighed
)

select * from final

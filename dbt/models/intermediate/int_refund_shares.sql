{{ config(unique_key='order_id', indexes=[
    {'columns': ['order_id']}, {'columns': ['refund_day']}, {'columns': ['_built_at']}
], post_hook="{{ remove_placeholders('refund_id') }}") }}

with orders as (
    select * from {{ ref('fct_orders') }}
    {{ where_changed() }}
),

refunds as (
    select * from {{ ref('fct_refunds') }}
    where is_beyond_goods and order_id in (select orders.order_id from orders)
),

lines as (
    select * from {{ ref('int_line_revenue') }}
    where order_id in (select orders.order_id from orders)
),

weighed as (
    select
        orders.order_id,
        refunds.refund_id,
        refunds.refund_day,
        refunds.shipping_minor,
        refunds.shipping_taxes_minor,
        refunds.adjustments_minor,
        refunds.adjustment_taxes_minor,
        lines.line_id,
        lines.product_id,
        lines.weight
    from orders
    left join refunds on orders.order_id = refunds.order_id
    left join lines on refunds.order_id = lines.order_id
),

final as (
    select
        order_id,
        refund_id,
        line_id,
        product_id,
        refund_day,
        -({{ share_of('shipping_minor', 'weight', 'refund_id', 'line_id') }})::bigint as shipping_minor,
        ({{ share_of('adjustments_minor', 'weight', 'refund_id', 'line_id') }})::bigint as adjustments_minor,
        (
            {{ share_of('adjustment_taxes_minor', 'weight', 'refund_id', 'line_id') }}
            - ({{ share_of('shipping_taxes_minor', 'weight', 'refund_id', 'line_id') }})
        )::bigint as taxes_minor,
        current_timestamp as _built_at
    from weighed
)

select * from final

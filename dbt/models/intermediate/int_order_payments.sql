{{ config(unique_key='order_id', indexes=[{'columns': ['order_id'], 'unique': true}, {'columns': ['_built_at']}]) }}

with orders as (
    select * from {{ ref('stg_shopify__orders') }}
    {{ where_changed() }}
),

moved as (
    select
        order_id,
        sum(amount_minor) filter (where kind in ('SALE', 'CAPTURE')) as paid_minor,
        sum(amount_minor) filter (where kind = 'REFUND') as refunded_minor
    from {{ ref('fct_order_transactions') }}
    where
        status = 'SUCCESS'
        and order_id in (select orders.order_id from orders)
    group by order_id
),

final as (
    select
        orders.order_id,
        coalesce(moved.paid_minor, 0)::bigint as paid_minor,
        coalesce(moved.refunded_minor, 0)::bigint as refunded_minor,
        current_timestamp as _built_at
    from orders
    left join moved on orders.order_id = moved.order_id
)

select * from final

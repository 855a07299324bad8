{{ config(unique_key='order_id', indexes=[{'columns': ['order_id'], 'unique': true}, {'columns': ['_built_at']}]) }}

with orders as (
    select * from {{ ref('stg_shopify__orders') }}
    {{ where_changed() }}
),

steps as (
    select * from {{ ref('fct_order_transactions') }}
    where
        status = 'SUCCESS'
        and order_id in (select orders.order_id from orders)
),

moved as (
    select
        steps.order_id,
        -- A capture that follows a sale tells of the same money.
        sum(steps.amount_minor) filter (
            where steps.kind = 'SALE' or (steps.kind = 'CAPTURE' and parents.kind is distinct from 'SALE')
        ) as paid_minor,
        sum(steps.amount_minor) filter (where steps.kind = 'REFUND') as refunded_minor
    from steps
    left join steps as parents on steps.parent_transaction_id = parents.transaction_id
    group by steps.order_id
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

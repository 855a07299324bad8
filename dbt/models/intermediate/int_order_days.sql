{{ config(unique_key='order_id', indexes=[{'columns': ['order_id'], 'unique': true}, {'columns': ['_built_at']}]) }}

with orders as (
    select * from {{ ref('fct_orders') }}
    {{ where_changed() }}
),

stands as (
    select
        order_id,
        order_day as day
    from orders
    union all
    select
        order_id,
        refund_day as day
    from {{ ref('fct_refunds') }}
    where order_id in (select orders.order_id from orders)
),

final as (
    select
        order_id,
        {{ ever('_days', now='array_agg(day)', rows='stands', key='order_id') }} as _days,
        current_timestamp as _built_at
    from stands
    group by order_id
)

select * from final

{{ config(materialized='ephemeral') }}

with orders as (
    select * from {{ ref('fct_orders') }}
    where is_sale
),

final as (
    select
        order_id,
        case
            when row_number() over (partition by customer_key order by processed_at asc, order_id asc) = 1 then 'new'
            else 'returning'
        end as segment
    from orders
)

select * from final

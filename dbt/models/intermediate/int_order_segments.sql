{{ config(materialized='ephemeral') }}

with orders as (
    select
        orders.*,
        identities.customer_key
    from {{ ref('fct_orders') }} as orders
    inner join {{ ref('dim_identities') }} as identities on orders.buyer_key = identities.buyer_key
    where orders.is_sale
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

{{ config(materialized='ephemeral') }}

with attributions as (
    select * from {{ ref('fct_order_attributions') }}
),

orders as (
    select * from {{ ref('fct_orders') }}
    where is_sale
),

final as (
    select
        attributions.campaign_id,
        count(*) as orders,
        sum(orders.net_sales_minor) as net_sales_minor
    from attributions
    inner join orders on attributions.order_id = orders.order_id
    group by attributions.campaign_id
)

select * from final

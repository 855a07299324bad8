with attributions as (
    select * from {{ ref('fct_order_attributions') }}
    where event_id is not null
),

orders as (
    select * from {{ ref('fct_orders') }}
    where is_sale
),

touches as (
    select
        order_id,
        campaign_id,
        true as is_last
    from attributions
    union all
    select
        order_id,
        first_campaign_id as campaign_id,
        false as is_last
    from attributions
),

final as (
    select
        touches.campaign_id,
        count(*) filter (where touches.is_last) as orders,
        count(distinct orders.mailbox_key) filter (where touches.is_last) as converted,
        coalesce(sum(orders.net_sales_minor) filter (where touches.is_last), 0) as net_sales_minor,
        count(*) filter (where not touches.is_last) as first_touch_orders,
        coalesce(sum(orders.net_sales_minor) filter (where not touches.is_last), 0) as first_touch_net_sales_minor
    from touches
    inner join orders on touches.order_id = orders.order_id
    group by touches.campaign_id
)

select * from final

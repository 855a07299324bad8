with campaigns as (
    select * from {{ ref('dim_campaigns') }}
),

events as (
    select * from {{ ref('fct_email_events') }}
    where not is_deleted
),

attributions as (
    select * from {{ ref('fct_order_attributions') }}
),

orders as (
    select * from {{ ref('fct_orders') }}
    where is_sale
),

-- People, not events: one who opens five times opened once.
reached as (
    select
        campaign_id,
        count(distinct email) filter (where event_type = 'sent') as sent,
        count(distinct email) filter (where event_type = 'bounce') as bounced,
        count(distinct email) filter (where event_type = 'open') as opened,
        count(distinct email) filter (where event_type = 'click') as clicked,
        count(distinct email) filter (where event_type = 'unsubscribe') as unsubscribed
    from events
    group by campaign_id
),

sold as (
    select
        attributions.campaign_id,
        count(*) as orders,
        sum(orders.net_sales_minor) as net_minor
    from attributions
    inner join orders on attributions.order_id = orders.order_id
    group by attributions.campaign_id
),

united as (
    select
        campaigns.*,
        coalesce(reached.sent, 0) as sent,
        coalesce(reached.bounced, 0) as bounced,
        coalesce(reached.sent - reached.bounced, 0) as delivered,
        coalesce(reached.opened, 0) as opened,
        coalesce(reached.clicked, 0) as clicked,
        coalesce(reached.unsubscribed, 0) as unsubscribed,
        coalesce(sold.orders, 0) as orders,
        coalesce(sold.net_minor, 0) as net_minor
    from campaigns
    left join reached on campaigns.campaign_id = reached.campaign_id
    left join sold on campaigns.campaign_id = sold.campaign_id
),

final as (
    select
        campaign_id,
        campaign_name as name,
        sent_day,
        {{ to_shop_currency('cost_minor') }} as cost,
        sent,
        bounced,
        delivered,
        opened,
        clicked,
        unsubscribed,
        {{ rate('opened', 'delivered') }} as open_rate,
        {{ rate('clicked', 'delivered') }} as click_rate,
        orders,
        {{ to_shop_currency('net_minor') }} as attributed_net_sales,
        {{ rate('orders', 'delivered') }} as conversion_rate,
        {{ rate('net_minor - cost_minor', 'cost_minor') }} as return_on_investment,
        '{{ var("shop_currency") }}' as currency
    from united
)

select * from final

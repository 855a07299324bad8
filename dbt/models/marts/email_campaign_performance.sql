{{ config(indexes=[{'columns': ['campaign_id']}, {'columns': ['sent_day']}]) }}

with campaigns as (
    select * from {{ ref('dim_campaigns') }}
),

reach as (
    select * from {{ ref('int_campaign_reach') }}
),

sales as (
    select * from {{ ref('int_campaign_sales') }}
),

-- Some have events and are not on the platform's list: what they sold must not be lost.
united as (
    select
        coalesce(campaigns.campaign_id, reach.campaign_id) as campaign_id,
        coalesce(campaigns.campaign_name, 'unknown') as campaign_name,
        coalesce(campaigns.sent_day, reach.first_event_day) as sent_day,
        campaigns.cost_minor,
        coalesce(reach.sent, 0) as sent,
        coalesce(reach.bounced, 0) as bounced,
        coalesce(reach.sent - reach.bounced, 0) as delivered,
        coalesce(reach.opened, 0) as opened,
        coalesce(reach.clicked, 0) as clicked,
        coalesce(reach.unsubscribed, 0) as unsubscribed,
        coalesce(sales.orders, 0) as orders,
        coalesce(sales.converted, 0) as converted,
        coalesce(sales.net_sales_minor, 0) as net_minor,
        coalesce(sales.first_touch_orders, 0) as first_touch_orders,
        coalesce(sales.first_touch_net_sales_minor, 0) as first_touch_net_minor
    from campaigns
    full join reach on campaigns.campaign_id = reach.campaign_id
    left join sales on coalesce(campaigns.campaign_id, reach.campaign_id) = sales.campaign_id
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
        {{ rate('converted', 'delivered') }} as conversion_rate,
        {{ rate('net_minor - cost_minor', 'cost_minor') }} as return_on_investment,
        converted,
        first_touch_orders,
        {{ to_shop_currency('first_touch_net_minor') }} as first_touch_net_sales,
        {{ rate('first_touch_net_minor - cost_minor', 'cost_minor') }} as first_touch_return_on_investment,
        '{{ var("shop_currency") }}' as currency
    from united
)

select * from final

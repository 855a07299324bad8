{{ config(indexes=[{'columns': ['campaign_id']}]) }}

with campaigns as (
    select * from {{ ref('dim_campaigns') }}
),

reach as (
    select * from {{ ref('int_campaign_reach') }}
),

sales as (
    select * from {{ ref('int_campaign_sales') }}
),

united as (
    select
        campaigns.*,
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
    left join reach on campaigns.campaign_id = reach.campaign_id
    left join sales on campaigns.campaign_id = sales.campaign_id
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

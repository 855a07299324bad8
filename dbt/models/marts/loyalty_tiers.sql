{{ config(indexes=[{'columns': ['tier']}]) }}

with members as (
    select * from {{ ref('dim_members') }}
),

sales as (
    {{ sales_of_customers() }}
),

buyers as (
    select
        customer_key,
        count(*) as orders,
        sum(gross_sales_minor - discounts_minor) as bought_minor,
        sum(net_sales_minor) as net_minor
    from sales
    group by customer_key
),

people as (
    select
        coalesce(members.tier, 'none') as tier,
        buyers.customer_key is not null as has_bought,
        coalesce(buyers.orders, 0) as orders,
        coalesce(buyers.bought_minor, 0) as bought_minor,
        coalesce(buyers.net_minor, 0) as net_minor,
        coalesce(members.points_earned, 0) as points_earned,
        coalesce(members.points_redeemed, 0) as points_redeemed,
        coalesce(members.points_balance, 0) as points_balance
    from members
    full outer join buyers on members.customer_key = buyers.customer_key
),

final as (
    select
        tier,
        count(*) as customers,
        count(*) filter (where has_bought) as buyers,
        sum(orders)::bigint as orders,
        {{ to_shop_currency('sum(net_minor)') }} as net_sales,
        {{ rate('sum(net_minor)', 'sum(sum(net_minor)) over ()') }} as net_sales_share,
        {{ to_shop_currency('sum(bought_minor) / nullif(sum(orders), 0)') }} as average_order_value,
        {{ rate('count(*) filter (where orders > 1)', 'count(*) filter (where has_bought)') }} as repeat_buyer_share,
        sum(points_earned)::bigint as points_earned,
        sum(points_redeemed)::bigint as points_redeemed,
        sum(points_balance)::bigint as points_outstanding,
        '{{ var("shop_currency") }}' as currency
    from people
    group by tier
)

select * from final

with attributed as (
    select count(*) as orders
    from {{ ref('fct_order_attributions') }} as attributions
    inner join {{ ref('fct_orders') }} as orders on attributions.order_id = orders.order_id
    where
        orders.is_sale
        and attributions.event_id is not null
),

credited as (
    select
        coalesce(sum(orders), 0) as by_last_touch,
        coalesce(sum(first_touch_orders), 0) as by_first_touch
    from {{ ref('email_campaign_performance') }}
),

final as (
    select
        attributed.orders,
        credited.by_last_touch,
        credited.by_first_touch
    from attributed
    cross join credited
    where
        credited.by_last_touch != attributed.orders
        or credited.by_first_touch != attributed.orders
)

select * from final

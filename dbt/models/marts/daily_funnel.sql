{{ config(indexes=[{'columns': ['day', 'channel']}]) }}

with sessions as (
    select * from {{ ref('fct_sessions') }}
),

orders as (
    select * from {{ ref('fct_orders') }}
    where not is_test and not is_deleted
),

bought as (
    select
        sessions.*,
        sessions.funnel_step = 4
        and (
            sessions.order_id is null
            or orders.order_id is not null
            and row_number() over (
                partition by sessions.order_id order by sessions.started_at, sessions.session_key
            ) = 1
        ) as has_order
    from sessions
    left join orders on sessions.order_id = orders.order_id
),

final as (
    select
        session_day as day,
        channel,
        count(*) as sessions,
        count(*) filter (where funnel_step >= 1) as sessions_with_product_view,
        count(*) filter (where funnel_step >= 2) as sessions_with_cart,
        count(*) filter (where funnel_step >= 3) as sessions_with_checkout,
        count(*) filter (where has_order) as sessions_with_order,
        {{ rate('count(*) filter (where has_order)', 'count(*)') }} as session_conversion_rate
    from bought
    group by session_day, channel
)

select * from final

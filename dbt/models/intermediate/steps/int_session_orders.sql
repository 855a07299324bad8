with sessions as not materialized (
    select * from {{ ref('fct_sessions') }}
),

orders as (
    select * from {{ ref('fct_orders') }}
    where not is_test and not is_deleted
),

final as (
    select
        sessions.session_key,
        sessions.session_day,
        sessions.channel,
        sessions.funnel_step,
        sessions.funnel_step = 4
        and (
            sessions.order_id is null
            or orders.order_id is not null
            and not exists (
                select 1 from sessions as earlier
                where
                    earlier.order_id = sessions.order_id
                    and (earlier.started_at, earlier.session_key) < (sessions.started_at, sessions.session_key)
            )
        ) as has_order
    from sessions
    left join orders on sessions.order_id = orders.order_id
)

select * from final

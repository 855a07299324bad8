-- Who came to a step came through those before it.
with funnel as (
    select * from {{ ref('daily_funnel') }}
),

final as (
    select
        day,
        channel,
        sessions
    from funnel
    where
        sessions < sessions_with_product_view
        or sessions_with_product_view < sessions_with_cart
        or sessions_with_cart < sessions_with_checkout
        or sessions_with_checkout < sessions_with_order
        or sessions_with_order < 0
)

select * from final

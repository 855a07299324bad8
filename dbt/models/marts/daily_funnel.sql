{{ config(indexes=[{'columns': ['day', 'channel']}]) }}

with days as (
    select * from {{ ref('int_funnel_days') }}
),

final as (
    select
        day,
        channel,
        sessions,
        sessions_with_product_view,
        sessions_with_cart,
        sessions_with_checkout,
        sessions_with_order,
        {{ rate('sessions_with_order', 'sessions') }} as session_conversion_rate
    from days
)

select * from final

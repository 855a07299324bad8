{{ config(unique_key='day', indexes=[
    {'columns': ['day', 'channel'], 'unique': true}, {'columns': ['_built_at']}
], post_hook="{{ remove_placeholders('channel') }}") }}

-- The days of a changed session, and those of every session with an order that this one has or had, or that changed.
{% set changed_days %}
    select {{ each_of('_days', 'date') }} as day from {{ ref('int_session_days') }} {{ where_changed() }}
    union distinct
    select session_day as day from {{ ref('fct_sessions') }}
    where order_id in (
        select order_id from {{ ref('fct_orders') }} {{ where_changed() }}
        union distinct
        select {{ each_of('_order_ids', 'text') }} as order_id from {{ ref('int_session_days') }} {{ where_changed() }}
    )
{% endset %}

with changed as (
    {{ changed_days }}
),

sessions as (
    select * from {{ ref('int_session_orders') }}
    where {{ among('session_day', changed_days) }}
),

final as (
    select
        changed.day,
        sessions.channel,
        count(*) as sessions,
        count(*) filter (where sessions.funnel_step >= 1) as sessions_with_product_view,
        count(*) filter (where sessions.funnel_step >= 2) as sessions_with_cart,
        count(*) filter (where sessions.funnel_step >= 3) as sessions_with_checkout,
        count(*) filter (where sessions.has_order) as sessions_with_order,
        current_timestamp as _built_at
    from changed
    left join sessions on changed.day = sessions.session_day
    group by changed.day, sessions.channel
)

select * from final

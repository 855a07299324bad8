{{ config(unique_key='basket_key', indexes=[
    {'columns': ['basket_key', 'product_id'], 'unique': true}, {'columns': ['month']}, {'columns': ['_built_at']}
], post_hook="{{ remove_placeholders('product_id') }}") }}

with orders as (
    select * from {{ ref('fct_orders') }}
    {{ where_changed() }}
),

lines as (
    select * from {{ ref('fct_order_lines') }}
    where units_ordered > 0 and product_id is not null
),

sessions as (
    select
        changed.session_key,
        sessions.session_day
    from (select distinct session_key from {{ ref('fct_web_events') }} {{ where_changed() }}) as changed
    left join {{ ref('fct_sessions') }} as sessions on changed.session_key = sessions.session_key
),

views as (
    select
        web_events.session_key,
        product_id
    from {{ ref('fct_web_events') }} as web_events
    cross join lateral jsonb_array_elements_text(web_events.product_ids) as product_id
    where web_events.event_name = 'view_item' and not web_events.is_deleted
),

final as (
    select distinct
        'order:' || orders.order_id as basket_key,
        date_trunc('month', orders.order_day)::date as month,
        'bought' as kind,
        lines.product_id,
        current_timestamp as _built_at
    from orders
    left join lines on orders.order_id = lines.order_id and orders.is_sale
    union all
    select distinct
        'session:' || sessions.session_key as basket_key,
        date_trunc('month', sessions.session_day)::date as month,
        'viewed' as kind,
        views.product_id,
        current_timestamp as _built_at
    from sessions
    left join views on sessions.session_key = views.session_key
    where sessions.session_key is not null
)

select * from final

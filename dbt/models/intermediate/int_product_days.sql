{{ config(unique_key='day', indexes=[
    {'columns': ['day', 'product_id'], 'unique': true}, {'columns': ['product_id']}, {'columns': ['_built_at']}
], post_hook="{{ remove_placeholders('product_id') }}") }}

with changed as (
    select distinct event_day
    from {{ ref('fct_web_events') }}
    {{ where_changed() }}
),

events as (
    select
        web_events.event_day,
        web_events.event_name,
        product_id
    from {{ ref('fct_web_events') }} as web_events
    cross join lateral jsonb_array_elements_text(web_events.product_ids) as product_id
    where not web_events.is_deleted and web_events.event_name in ('view_item', 'add_to_cart')
),

final as (
    select
        changed.event_day as day,
        events.product_id,
        count(*) filter (where events.event_name = 'view_item') as views,
        count(*) filter (where events.event_name = 'add_to_cart') as add_to_carts,
        current_timestamp as _built_at
    from changed
    left join events on changed.event_day = events.event_day
    group by changed.event_day, events.product_id
)

select * from final

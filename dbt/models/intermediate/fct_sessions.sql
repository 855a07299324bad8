{{ config(unique_key='session_key', indexes=[
    {'columns': ['session_key'], 'unique': true}, {'columns': ['order_id']}, {'columns': ['session_day']},
    {'columns': ['_built_at']}
], post_hook="{{ remove_placeholders('started_at') }}") }}

with changed as (
    select distinct session_key
    from {{ ref('fct_web_events') }}
    {{ where_changed() }}
),

events as (
    select * from {{ ref('fct_web_events') }}
    where not is_deleted
),

final as (
    select
        changed.session_key,
        min(events.event_at) as started_at,
        {{ shop_day('min(events.event_at)') }} as session_day,
        (array_agg(events.channel order by events.event_at, events.event_key))[1] as channel,
        max(events.funnel_step) as funnel_step,
        min(events.transaction_id) filter (where events.event_name = 'purchase') as order_id,
        current_timestamp as _built_at
    from changed
    left join events on changed.session_key = events.session_key
    where changed.session_key is not null
    group by changed.session_key
)

select * from final

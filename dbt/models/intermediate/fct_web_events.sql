{{ config(unique_key='event_key', indexes=[
    {'columns': ['event_key'], 'unique': true}, {'columns': ['session_key']}, {'columns': ['event_day']},
    {'columns': ['_built_at']}
]) }}

with events as (
    select * from {{ ref('stg_google_analytics__events') }}
    {{ where_changed() }}
),

final as (
    select
        event_key,
        event_name,
        {{ funnel_step('event_name') }} as funnel_step,
        event_at,
        event_day,
        session_key,
        {{ channel('traffic_source', 'traffic_medium') }} as channel,
        transaction_id,
        product_ids,
        is_deleted,
        current_timestamp as _built_at
    from events
)

select * from final

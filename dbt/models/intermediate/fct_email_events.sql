{{ config(unique_key='event_id', indexes=[
    {'columns': ['event_id'], 'unique': true}, {'columns': ['mailbox_key', 'occurred_at']}, {'columns': ['campaign_id']},
    {'columns': ['_built_at']}
]) }}

with events as (
    select * from {{ ref('stg_email__events') }}
    {{ where_changed() }}
),

final as (
    select
        event_id,
        event_type,
        campaign_id,
        {{ ever('_campaign_ids', now='array[events.campaign_id]', rows='events', key='event_id') }} as _campaign_ids,
        email,
        {{ mailbox_key('email') }} as mailbox_key,
        occurred_at,
        {{ shop_day('occurred_at') }} as event_day,
        url,
        bounce_type,
        is_deleted,
        current_timestamp as _built_at
    from events
)

select * from final

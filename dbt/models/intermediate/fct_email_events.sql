{{ config(unique_key='event_id', indexes=[
    {'columns': ['event_id'], 'unique': true}, {'columns': ['email', 'occurred_at']}, {'columns': ['campaign_id']},
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
        email,
        md5(email) as email_key,
        occurred_at,
        {{ shop_day('occurred_at') }} as event_day,
        url,
        bounce_type,
        is_deleted,
        current_timestamp as _built_at
    from events
)

select * from final

{{ config(materialized='ephemeral') }}

with events as (
    select * from {{ ref('fct_email_events') }}
    where not is_deleted
),

-- People, not events: one who opens five times opened once.
final as (
    select
        campaign_id,
        count(distinct email) filter (where event_type = 'sent') as sent,
        count(distinct email) filter (where event_type = 'bounce') as bounced,
        count(distinct email) filter (where event_type = 'open') as opened,
        count(distinct email) filter (where event_type = 'click') as clicked,
        count(distinct email) filter (where event_type = 'unsubscribe') as unsubscribed
    from events
    group by campaign_id
)

select * from final

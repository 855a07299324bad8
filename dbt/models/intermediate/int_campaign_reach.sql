{{ config(unique_key='campaign_id', indexes=[
    {'columns': ['campaign_id'], 'unique': true}, {'columns': ['_built_at']}
], post_hook="{{ remove_placeholders('first_event_day') }}") }}

{% set changed_campaigns %}
    select distinct {{ each_of('_campaign_ids', 'text') }} as campaign_id
    from {{ ref('fct_email_events') }} {{ where_changed() }}
{% endset %}

with changed as (
    {{ changed_campaigns }}
),

events as (
    select * from {{ ref('fct_email_events') }}
    where
        not is_deleted
        and {{ among('campaign_id', changed_campaigns) }}
),

-- People, not events: one who opens five times opened once.
final as (
    select
        changed.campaign_id,
        min(events.event_day) as first_event_day,
        count(distinct events.email) filter (where events.event_type = 'sent') as sent,
        count(distinct events.email) filter (where events.event_type = 'bounce') as bounced,
        count(distinct events.email) filter (where events.event_type = 'open') as opened,
        count(distinct events.email) filter (where events.event_type = 'click') as clicked,
        count(distinct events.email) filter (where events.event_type = 'unsubscribe') as unsubscribed,
        current_timestamp as _built_at
    from changed
    left join events on changed.campaign_id = events.campaign_id
    group by changed.campaign_id
)

select * from final

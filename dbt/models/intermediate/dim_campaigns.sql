{{ config(materialized='table') }}

with campaigns as (
    select * from {{ ref('stg_email__campaigns') }}
    where not is_deleted
),

final as (
    select
        campaign_id,
        campaign_name,
        subject,
        status,
        sent_at,
        {{ shop_day('sent_at') }} as sent_day,
        currency,
        cost_minor
    from campaigns
)

select * from final

{{ config(unique_key='order_id', indexes=[
    {'columns': ['order_id'], 'unique': true}, {'columns': ['campaign_id']}, {'columns': ['_built_at']}
], post_hook="{{ remove_placeholders('campaign_id') }}") }}

{% set attribution_window = "interval '" ~ var('attribution_window_days') * 24 ~ " hours'" %}

with orders as not materialized (
    select * from {{ ref('fct_orders') }}
),

clicks as not materialized (
    select
        *,
        event_id collate "C" as tie_breaker
    from {{ ref('fct_email_events') }}
    where
        event_type = 'click'
        and not is_deleted
),

-- A changed order, or one that a click was learnt of only now.
changed as (
    select order_id from orders {{ where_changed() }}
    union distinct
    select orders.order_id
    from (select * from clicks {{ where_changed() }}) as new_clicks
    inner join orders
        on
            new_clicks.email = orders.email
            and new_clicks.occurred_at <= orders.processed_at
            and new_clicks.occurred_at + {{ attribution_window }} >= orders.processed_at
),

final as (
    select distinct on (orders.order_id)
        orders.order_id,
        clicks.campaign_id,
        clicks.event_id,
        clicks.occurred_at as clicked_at,
        first_value(clicks.campaign_id) over from_the_first as first_campaign_id,
        first_value(clicks.event_id) over from_the_first as first_event_id,
        current_timestamp as _built_at
    from orders
    inner join changed on orders.order_id = changed.order_id
    left join clicks
        on
            orders.email = clicks.email
            and orders.processed_at >= clicks.occurred_at
            and clicks.occurred_at >= orders.processed_at - {{ attribution_window }}
    window
        from_the_first as (
            partition by orders.order_id order by clicks.occurred_at asc, clicks.tie_breaker asc
        )
    order by orders.order_id asc, clicks.occurred_at desc nulls last, clicks.tie_breaker desc
)

select * from final

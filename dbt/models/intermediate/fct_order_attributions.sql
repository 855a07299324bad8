{{ config(unique_key='order_id', indexes=[
    {'columns': ['order_id'], 'unique': true}, {'columns': ['event_id']}, {'columns': ['first_event_id']},
    {'columns': ['_built_at']}
]) }}

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

-- A changed order, one that a changed click may lead to now, and one that it was the last or the first click of.
changed as (
    select order_id from orders {{ where_changed() }}
    {% if is_incremental() %}
    union distinct
    select orders.order_id
    from (select * from clicks {{ where_changed() }}) as news
    inner join orders
        on
            news.mailbox_key = orders.mailbox_key
            and news.occurred_at <= orders.processed_at
            and news.occurred_at + {{ attribution_window }} >= orders.processed_at
    {% for touch in ['event_id', 'first_event_id'] %}
    union distinct
    select known.order_id
    from (select * from {{ ref('fct_email_events') }} {{ where_changed() }}) as news
    inner join {{ this }} as known on news.event_id = known.{{ touch }}
    {% endfor %}
    {% endif %}
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
            orders.mailbox_key = clicks.mailbox_key
            and orders.processed_at >= clicks.occurred_at
            and clicks.occurred_at >= orders.processed_at - {{ attribution_window }}
    window
        from_the_first as (
            partition by orders.order_id order by clicks.occurred_at asc, clicks.tie_breaker asc
        )
    order by orders.order_id asc, clicks.occurred_at desc nulls last, clicks.tie_breaker desc
)

select * from final

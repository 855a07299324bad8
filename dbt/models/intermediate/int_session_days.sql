{{ config(unique_key='session_key', indexes=[
    {'columns': ['session_key'], 'unique': true}, {'columns': ['_built_at']}
]) }}

with changed as (
    select distinct session_key
    from {{ ref('fct_web_events') }}
    {{ where_changed() }}
),

sessions as (
    select * from {{ ref('fct_sessions') }}
),

final as (
    select
        changed.session_key,
        {{ ever('_days', now='array[sessions.session_day]', rows='changed', key='session_key') }} as _days,
        {{ ever('_order_ids', now='array[sessions.order_id]', rows='changed', key='session_key') }} as _order_ids,
        current_timestamp as _built_at
    from changed
    left join sessions on changed.session_key = sessions.session_key
    where changed.session_key is not null
)

select * from final

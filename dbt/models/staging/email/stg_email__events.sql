with versions as (
    {{ current_versions(source('email', 'events')) }}
),

final as (
    select
        _record_key as event_id,
        source_data ->> 'event_type' as event_type,
        source_data ->> 'campaign_id' as campaign_id,
        {{ normalize_email("source_data ->> 'email'") }} as email,
        (source_data ->> 'occurred_at')::timestamptz as occurred_at,
        nullif(source_data ->> 'url', '') as url,
        nullif(source_data ->> 'bounce_type', '') as bounce_type,
        {{ staging_columns() }}
    from versions
)

select * from final

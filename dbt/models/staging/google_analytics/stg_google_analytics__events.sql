with versions as (
    {{ current_versions(source('google_analytics', 'events')) }}
),

typed as (
    select
        *,
        timestamptz 'epoch'
        + {{ whole_number("source_data ->> 'event_timestamp'") }} * interval '1 microsecond' as event_at,
        source_data ->> 'user_pseudo_id' as visitor_id,
        {{ analytics_param('ga_session_id', 'int_value') }} as session_id,
        upper({{ analytics_param('currency', 'string_value') }}) as currency,
        source_data -> 'traffic_source' as first_source,
        source_data -> 'collected_traffic_source' as own_source
    from versions
),

final as (
    select
        _record_key as event_key,
        source_data ->> 'event_name' as event_name,
        event_at,
        {{ shop_day('event_at') }} as event_day,
        to_date(left(source_data ->> 'event_date', 6), 'YYYYMM')
        + right(source_data ->> 'event_date', 2)::integer - 1 as export_day,
        visitor_id,
        session_id,
        visitor_id || '.' || session_id as session_key,
        {{ analytics_param('page_location', 'string_value') }} as page_url,
        coalesce(own_source ->> 'manual_source', first_source ->> 'source') as traffic_source,
        coalesce(own_source ->> 'manual_medium', first_source ->> 'medium') as traffic_medium,
        coalesce(own_source ->> 'manual_campaign_name', first_source ->> 'name') as traffic_campaign,
        source_data #>> '{device,category}' as device_category,
        source_data #>> '{device,operating_system}' as operating_system,
        source_data #>> '{geo,country}' as country,
        nullif(source_data #>> '{ecommerce,transaction_id}', '(not set)') as transaction_id,
        currency,
        {{ to_minor_units("source_data #>> '{ecommerce,purchase_revenue}'", 'currency') }} as revenue_minor,
        jsonb_array_length({{ json_array("source_data -> 'items'") }}) as items_count,
        {{ item_ids("source_data -> 'items'") }} as product_ids,
        {{ staging_columns() }}
    from typed
)

select * from final

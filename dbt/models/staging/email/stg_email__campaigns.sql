with versions as (
    {{ current_versions(source('email', 'campaigns')) }}
),

final as (
    select
        _record_key as campaign_id,
        source_data ->> 'name' as campaign_name,
        nullif(source_data ->> 'subject', '') as subject,
        source_data ->> 'status' as status,
        nullif(source_data ->> 'sent_at', '')::timestamptz as sent_at,
        upper(source_data ->> 'cost_currency') as currency,
        {{ to_minor_units("nullif(source_data ->> 'cost_amount', '')", "source_data ->> 'cost_currency'") }}
            as cost_minor,
        nullif(source_data ->> 'updated_at', '')::timestamptz as updated_at,
        {{ staging_columns() }}
    from versions
)

select * from final

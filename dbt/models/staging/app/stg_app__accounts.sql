with versions as (
    {{ current_versions(source('app', 'accounts')) }}
),

final as (
    select
        _record_key as account_id,
        source_data ->> 'customer_id' as customer_id,
        {{ normalize_email("source_data ->> 'email'") }} as email,
        source_data ->> 'tier' as tier,
        (source_data ->> 'points_balance')::bigint as points_balance,
        (source_data ->> 'joined_at')::timestamptz as joined_at,
        (source_data ->> 'updated_at')::timestamptz as updated_at,
        {{ staging_columns() }}
    from versions
)

select * from final

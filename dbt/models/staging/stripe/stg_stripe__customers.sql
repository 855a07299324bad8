with versions as (
    {{ current_versions(source('stripe', 'customers')) }}
),

final as (
    select
        _record_key as stripe_customer_id,
        {{ normalize_email("source_data ->> 'email'") }} as email,
        source_data ->> 'name' as name,
        {{ from_epoch("source_data ->> 'created'") }} as created_at,
        {{ staging_columns() }}
    from versions
)

select * from final

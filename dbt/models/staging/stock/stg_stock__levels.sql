with versions as (
    {{ current_versions(source('stock', 'levels')) }}
),

final as (
    select
        _record_key as variant_id,
        source_data ->> 'sku' as sku,
        {{ whole_number("source_data ->> 'available'") }} as available,
        source_data ->> 'reason' as last_reason,
        (source_data ->> 'changed_at')::timestamptz as changed_at,
        {{ staging_columns() }}
    from versions
)

select * from final

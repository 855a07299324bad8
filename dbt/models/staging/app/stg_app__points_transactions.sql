with versions as (
    {{ current_versions(source('app', 'points_transactions')) }}
),

final as (
    select
        _record_key as points_transaction_id,
        source_data ->> 'account_id' as account_id,
        source_data ->> 'order_id' as order_id,
        source_data ->> 'kind' as kind,
        (source_data ->> 'points')::bigint as points,
        (source_data ->> 'booked_at')::timestamptz as booked_at,
        (source_data ->> 'updated_at')::timestamptz as updated_at,
        {{ staging_columns() }}
    from versions
)

select * from final

with versions as (
    {{ current_versions(source('stripe', 'payouts')) }}
),

final as (
    select
        _record_key as payout_id,
        {{ stripe_id('balance_transaction') }} as balance_transaction_id,
        upper(source_data ->> 'currency') as currency,
        {{ whole_number("source_data ->> 'amount'") }} as amount_minor,
        source_data ->> 'status' as status,
        coalesce(source_data ->> 'automatic' != 'false', true) as is_automatic,
        {{ from_epoch("source_data ->> 'created'") }} as created_at,
        {{ from_epoch("source_data ->> 'arrival_date'") }} as arrives_at,
        {{ staging_columns() }}
    from versions
)

select * from final

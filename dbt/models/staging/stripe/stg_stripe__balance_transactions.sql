{{ config(indexes=[
    {'columns': ['_record_key'], 'unique': true}, {'columns': ['_load_timestamp']}, {'columns': ['_built_at']},
    {'columns': ['balance_transaction_id']}, {'columns': ['source_id']}
]) }}

with versions as (
    {{ current_versions(source('stripe', 'balance_transactions')) }}
),

final as (
    select
        _record_key as balance_transaction_id,
        {{ stripe_id('source') }} as source_id,
        source_data ->> 'type' as type,
        source_data ->> 'reporting_category' as reporting_category,
        source_data ->> 'status' as status,
        upper(source_data ->> 'currency') as currency,
        {{ whole_number("source_data ->> 'amount'") }} as amount_minor,
        {{ whole_number("source_data ->> 'fee'") }} as fee_minor,
        {{ whole_number("source_data ->> 'net'") }} as net_minor,
        (source_data ->> 'exchange_rate')::numeric as exchange_rate,
        {{ from_epoch("source_data ->> 'created'") }} as created_at,
        {{ from_epoch("source_data ->> 'available_on'") }} as available_at,
        {{ staging_columns() }}
    from versions
)

select * from final

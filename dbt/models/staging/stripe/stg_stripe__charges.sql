{{ config(indexes=[
    {'columns': ['_record_key'], 'unique': true}, {'columns': ['_load_timestamp']}, {'columns': ['_built_at']},
    {'columns': ['charge_id']}
]) }}

with versions as (
    {{ current_versions(source('stripe', 'charges')) }}
),

final as (
    select
        _record_key as charge_id,
        source_data #>> '{metadata,order_id}' as order_id,
        {{ stripe_id('customer') }} as stripe_customer_id,
        {{ stripe_id('payment_intent') }} as payment_intent_id,
        {{ stripe_id('balance_transaction') }} as balance_transaction_id,
        upper(source_data ->> 'currency') as currency,
        {{ whole_number("source_data ->> 'amount'") }} as amount_minor,
        {{ whole_number("source_data ->> 'amount_captured'") }} as captured_minor,
        {{ whole_number("source_data ->> 'amount_refunded'") }} as refunded_minor,
        source_data ->> 'status' as status,
        coalesce((source_data ->> 'captured')::boolean, false) as is_captured,
        coalesce((source_data ->> 'disputed')::boolean, false) as is_disputed,
        source_data ->> 'failure_code' as failure_code,
        {{ normalize_email("source_data #>> '{billing_details,email}'") }} as billing_email,
        source_data #>> '{billing_details,address,country}' as billing_country_code,
        {{ from_epoch("source_data ->> 'created'") }} as created_at,
        {{ staging_columns() }}
    from versions
)

select * from final

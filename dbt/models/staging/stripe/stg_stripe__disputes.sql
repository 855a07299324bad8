{{ config(indexes=[
    {'columns': ['_record_key'], 'unique': true}, {'columns': ['_load_timestamp']}, {'columns': ['_built_at']},
    {'columns': ['dispute_id']}, {'columns': ['charge_id']}
]) }}

with versions as (
    {{ current_versions(source('stripe', 'disputes')) }}
),

final as (
    select
        _record_key as dispute_id,
        {{ stripe_id('charge') }} as charge_id,
        {{ stripe_id('payment_intent') }} as payment_intent_id,
        upper(source_data ->> 'currency') as currency,
        {{ whole_number("source_data ->> 'amount'") }} as amount_minor,
        source_data ->> 'status' as status,
        source_data ->> 'reason' as reason,
        {{ from_epoch("source_data ->> 'created'") }} as created_at,
        {{ staging_columns() }}
    from versions
)

select * from final

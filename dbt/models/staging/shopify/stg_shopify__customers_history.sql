{{ config(incremental_strategy='append', unique_key=none, indexes=[
    {'columns': ['_record_key', '_record_version', '_content_hash'], 'unique': true}, {'columns': ['_load_timestamp']},
    {'columns': ['customer_id', '_record_version']}, {'columns': ['_built_at']}
]) }}

with versions as (
    {{ all_versions(source('shopify', 'customers')) }}
),

final as (
    select
        {{ shopify_id('_record_key') }} as customer_id,
        source_data #>> '{defaultEmailAddress,marketingState}' as marketing_state,
        (source_data #>> '{defaultEmailAddress,marketingUpdatedAt}')::timestamptz as marketing_updated_at,
        source_data #>> '{defaultAddress,countryCodeV2}' as country_code,
        source_data #>> '{defaultAddress,provinceCode}' as province_code,
        {{ json_array("source_data -> 'tags'") }} as tags,
        (source_data ->> 'createdAt')::timestamptz as created_at,
        {{ staging_columns() }}
    from versions
)

select * from final

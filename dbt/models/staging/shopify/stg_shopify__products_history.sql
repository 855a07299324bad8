{{ config(incremental_strategy='append', unique_key=none, indexes=[
    {'columns': ['_record_key', '_record_version', '_content_hash'], 'unique': true}, {'columns': ['_load_timestamp']},
    {'columns': ['product_id', '_record_version']}, {'columns': ['_built_at']}
]) }}

with versions as (
    {{ all_versions(source('shopify', 'products')) }}
),

final as (
    select
        {{ shopify_id('_record_key') }} as product_id,
        source_data ->> 'title' as title,
        source_data ->> 'vendor' as vendor,
        source_data ->> 'productType' as product_type,
        source_data ->> 'status' as status,
        {{ json_array("source_data #> '{variants,nodes}'") }} as variants,
        (source_data ->> 'createdAt')::timestamptz as created_at,
        {{ staging_columns() }}
    from versions
)

select * from final

with versions as (
    {{ current_versions(source('shopify', 'products')) }}
),

final as (
    select
        {{ shopify_id('_record_key') }} as product_id,
        source_data ->> 'title' as title,
        source_data ->> 'handle' as handle,
        source_data ->> 'vendor' as vendor,
        source_data ->> 'productType' as product_type,
        source_data ->> 'status' as status,
        {{ json_array("source_data #> '{variants,nodes}'") }} as variants,
        (source_data ->> 'createdAt')::timestamptz as created_at,
        (source_data ->> 'updatedAt')::timestamptz as updated_at,
        {{ staging_columns() }}
    from versions
)

select * from final

{{ config(indexes=[
    {'columns': ['_record_key'], 'unique': true}, {'columns': ['_load_timestamp']}, {'columns': ['_built_at']},
    {'columns': ['variant_id', 'cost_month']}
]) }}

with versions as (
    {{ current_versions(source('uploads', 'product_costs')) }}
),

final as (
    select
        (source_data ->> 'month' || '-01')::date as cost_month,
        source_data ->> 'variant_id' as variant_id,
        nullif(source_data ->> 'sku', '') as sku,
        nullif(source_data ->> 'supplier', '') as supplier,
        upper(source_data ->> 'currency') as currency,
        {{ to_minor_units(
            "nullif(replace(source_data ->> 'unit_cost', ',', '.'), '')", "source_data ->> 'currency'"
        ) }} as unit_cost_minor,
        {{ staging_columns() }}
    from versions
)

select * from final

{{ config(materialized='incremental', unique_key='product_id', indexes=[
    {'columns': ['product_id', 'valid_from'], 'unique': true}, {'columns': ['_built_at']}
]) }}

with versions as (
    {{ versions_to_cut(ref('stg_shopify__products_history'), 'product_id') }}
),

changes as (
    select
        *,
        null::timestamptz as changed_at
    from versions
),

{{ intervals('changes', key='product_id', tracked=['title', 'vendor', 'product_type', 'status']) }}

select * from final

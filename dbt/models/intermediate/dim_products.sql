{{ config(materialized='table', indexes=[{'columns': ['product_id'], 'unique': true}]) }}

with products as (
    select * from {{ ref('stg_shopify__products') }}
),

final as (
    select
        product_id,
        title,
        handle,
        vendor,
        product_type,
        status,
        jsonb_array_length(variants) as variants,
        created_at,
        updated_at,
        is_deleted
    from products
)

select * from final

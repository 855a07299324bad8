{{ config(unique_key='buyer_key', indexes=[
    {'columns': ['buyer_key'], 'unique': true}, {'columns': ['customer_key']}, {'columns': ['_built_at']}
], post_hook="delete from {{ this }} where is_gone") }}

with identities as (
    select * from {{ ref('dim_identities') }}
),

final as (
    {{ differences('identities', key=['buyer_key'], columns=['buyer_key', 'customer_key'], among='true') }}
)

select * from final

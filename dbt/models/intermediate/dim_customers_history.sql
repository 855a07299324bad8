{{ config(materialized='incremental', unique_key='customer_id', indexes=[
    {'columns': ['customer_id', 'valid_from'], 'unique': true}, {'columns': ['_built_at']}
]) }}

with versions as (
    {{ versions_to_cut(ref('stg_shopify__customers_history'), 'customer_id') }}
),

changes as (
    select
        *,
        marketing_updated_at as changed_at
    from versions
),

{{ intervals('changes', key='customer_id', dates='marketing_state', tracked=[
    'marketing_state', 'country_code', 'province_code', 'tags'
]) }}

select * from final

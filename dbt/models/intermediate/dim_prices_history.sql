{{ config(materialized='incremental', unique_key='product_id', indexes=[
    {'columns': ['product_id']}, {'columns': ['variant_id', 'valid_from'], 'unique': true}, {'columns': ['_built_at']}
], post_hook="{{ remove_placeholders('variant_id') }}") }}

with versions as (
    {{ versions_to_cut(ref('stg_shopify__products_history'), 'product_id') }}
),

priced as (
    select
        versions.product_id,
        versions._record_version,
        versions.created_at,
        variant,
        {{ shopify_id("variant ->> 'id'") }} as variant_id
    from versions
    cross join lateral jsonb_array_elements(versions.variants) as variant
),

-- From which version on each variant is known: one that a later version of its product lacks is gone.
variants as (
    select
        product_id,
        variant_id,
        min(_record_version) as first_version
    from (
        select
            product_id,
            variant_id,
            _record_version
        from priced
        {% if is_incremental() %}
        union all
        select
            known.product_id,
            known.variant_id,
            known._record_version
        from {{ this }} as known
        inner join versions on known.product_id = versions.product_id and known._record_version < versions.since
        {% endif %}
    ) as seen
    group by product_id, variant_id
),

changes as (
    select
        versions.product_id,
        variants.variant_id,
        versions._record_version,
        versions.since,
        coalesce((priced.variant ->> 'createdAt')::timestamptz, priced.created_at) as created_at,
        (priced.variant ->> 'updatedAt')::timestamptz as changed_at,
        {{ to_minor_units("priced.variant ->> 'price'", "'" ~ var('shop_currency') ~ "'") }} as price_minor,
        {{ to_minor_units("priced.variant ->> 'compareAtPrice'", "'" ~ var('shop_currency') ~ "'") }}
            as compare_at_price_minor,
        priced.variant_id is null as is_deleted
    from versions
    left join variants
        on versions.product_id = variants.product_id and versions._record_version >= variants.first_version
    left join priced
        on variants.variant_id = priced.variant_id and versions._record_version = priced._record_version
),

{{ intervals('changes', key='variant_id', family='product_id', tracked=['price_minor', 'compare_at_price_minor']) }}

select * from final

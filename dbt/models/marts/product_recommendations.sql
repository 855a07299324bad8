{{ config(indexes=[{'columns': ['product_id']}]) }}

with products as (
    select * from {{ ref('dim_products') }}
    where not is_deleted
),

popular as (
    select * from {{ ref('int_popular_products') }}
),

candidates as (
    select
        product_id,
        other_product_id,
        case kind when 'bought' then 1 else 2 end as preference,
        lift,
        baskets_together as support
    from {{ ref('int_product_affinities') }}
    where lift > 1
    union all
    select
        products.product_id,
        popular.product_id as other_product_id,
        3 as preference,
        null as lift,
        popular.views as support
    from products
    inner join popular on products.product_id <> popular.product_id
),

best as (
    select distinct on (product_id, other_product_id) *
    from candidates
    order by product_id asc, other_product_id asc, preference asc
),

ranked as (
    select
        best.product_id,
        row_number() over (
            partition by best.product_id
            order by best.preference asc, best.lift desc nulls last, best.support desc, best.other_product_id asc
        ) as recommendation_rank,
        best.other_product_id as recommended_product_id,
        others.title as recommended_title,
        (array['bought together', 'viewed together', 'most viewed'])[best.preference] as reason,
        best.support::bigint as recommendation_support,
        best.lift::numeric(18, 4) as lift
    from best
    inner join products on best.product_id = products.product_id
    inner join products as others on best.other_product_id = others.product_id and others.status = 'ACTIVE'
),

final as (
    select * from ranked
    where recommendation_rank <= 5
)

select * from final

{{ config(materialized='ephemeral') }}

with baskets as (
    select
        *,
        count(*) over (partition by basket_key) as products
    from {{ ref('int_baskets') }}
),

-- Who buys for a whole shop does not show what belongs together, and the pairs grow with the square of the products.
kept as (
    select * from baskets
    where products <= {{ var('recommendation_basket_limit') }}
),

totals as (
    select
        kind,
        count(distinct basket_key) as baskets
    from kept
    group by kind
),

singles as (
    select
        kind,
        product_id,
        count(*) as baskets
    from kept
    group by kind, product_id
),

pairs as (
    select
        kept.kind,
        kept.product_id,
        others.product_id as other_product_id,
        count(*) as baskets_together
    from kept
    inner join kept as others on kept.basket_key = others.basket_key and kept.product_id <> others.product_id
    group by kept.kind, kept.product_id, others.product_id
    having count(*) >= {{ var('recommendation_minimum_support') }}
),

final as (
    select
        pairs.kind,
        pairs.product_id,
        pairs.other_product_id,
        pairs.baskets_together,
        {{ rate('pairs.baskets_together * totals.baskets', '(own.baskets * other.baskets)') }} as lift
    from pairs
    inner join totals on pairs.kind = totals.kind
    inner join singles as own on pairs.kind = own.kind and pairs.product_id = own.product_id
    inner join singles as other on pairs.kind = other.kind and pairs.other_product_id = other.product_id
)

select * from final

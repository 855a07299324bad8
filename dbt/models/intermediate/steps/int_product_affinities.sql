with counts as (
    select
        kind,
        product_id,
        other_product_id,
        sum(baskets)::bigint as baskets
    from {{ ref('int_basket_months') }}
    group by kind, product_id, other_product_id
),

-- By windows and not by joins: of sums that are summed here the planner does not know how many there are.
weighed as (
    select
        *,
        max(baskets) filter (where product_id is null) over (partition by kind) as all_baskets,
        max(baskets) filter (where product_id = other_product_id) over (partition by kind, product_id) as with_one,
        max(baskets) filter (where product_id = other_product_id) over (partition by kind, other_product_id)
            as with_other
    from counts
),

pairs as (
    select
        kind,
        product_id,
        other_product_id,
        baskets as baskets_together,
        {{ rate('baskets * all_baskets', '(with_one * with_other)') }} as lift
    from weighed
    where product_id <> other_product_id and baskets >= {{ var('recommendation_minimum_support') }}
),

final as (
    select * from pairs
    union all
    select
        kind,
        other_product_id as product_id,
        product_id as other_product_id,
        baskets_together,
        lift
    from pairs
)

select * from final

with products as (
    select * from {{ ref('dim_products') }}
    where not is_deleted and status = 'ACTIVE'
),

views as (
    select
        product_id,
        sum(views) as views
    from {{ ref('int_product_days') }}
    group by product_id
),

final as (
    select
        products.product_id,
        coalesce(views.views, 0)::bigint as views
    from products
    left join views on products.product_id = views.product_id
    order by coalesce(views.views, 0) desc, products.product_id asc
    -- So that five are left without the product itself and without those that affinity chose.
    limit 10
)

select * from final

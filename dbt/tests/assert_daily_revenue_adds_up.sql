-- Each day and region has the same money by product and segment as in one.
with by_product as (
    select
        day,
        region,
        sum(units) as units,
        sum(gross_sales) as gross_sales,
        sum(discounts) as discounts,
        sum(returns) as returns,
        sum(taxes) as taxes,
        sum(shipping) as shipping,
        sum(adjustments) as adjustments
    from {{ ref('daily_revenue') }}
    group by day, region
),

by_region as (
    select * from {{ ref('daily_sales_by_region') }}
),

final as (
    select
        coalesce(by_product.day, by_region.day) as day,
        coalesce(by_product.region, by_region.region) as region,
        by_product.gross_sales,
        by_region.gross_sales as gross_sales_of_the_region
    from by_product
    full outer join by_region on by_product.day = by_region.day and by_product.region = by_region.region
    where
        by_product.units is distinct from by_region.units
        or by_product.gross_sales is distinct from by_region.gross_sales
        or by_product.discounts is distinct from by_region.discounts
        or by_product.returns is distinct from by_region.returns
        or by_product.taxes is distinct from by_region.taxes
        or by_product.shipping is distinct from by_region.shipping
        or by_product.adjustments is distinct from by_region.adjustments
)

select * from final

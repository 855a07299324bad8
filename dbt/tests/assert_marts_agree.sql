-- The same sales, by day, by customer and by product, are the same money.
with by_day as (
    select sum(net_sales) as net_sales
    from {{ ref('daily_sales_by_region') }}
),

by_customer as (
    select sum(net_sales) as net_sales
    from {{ ref('customer_lifetime_value') }}
),

by_product as (
    select sum(net_sales) as net_sales
    from {{ ref('product_performance') }}
),

final as (
    select
        by_day.net_sales as by_day,
        by_customer.net_sales as by_customer,
        by_product.net_sales as by_product
    from by_day
    cross join by_customer
    cross join by_product
    where
        by_day.net_sales is distinct from by_customer.net_sales
        or by_day.net_sales is distinct from by_product.net_sales
)

select * from final

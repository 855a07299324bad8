with orders as (
    {{ sales_of_customers() }}
),

months as (
    select
        customer_key,
        date_trunc('month', order_day)::date as month,
        count(*) as orders,
        sum(gross_sales_minor - discounts_minor) as bought_minor
    from orders
    group by customer_key, date_trunc('month', order_day)::date
),

in_order as (
    select
        *,
        lag(month) over (partition by customer_key order by month asc) as month_before
    from months
),

final as (
    select
        customer_key,
        month,
        case
            when month_before is null then 'new'
            when month_before >= month - interval '3 months' then 'returning'
            else 'reactivated'
        end as customer_status,
        orders,
        bought_minor
    from in_order
)

select * from final

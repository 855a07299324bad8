{{ config(indexes=[{'columns': ['month']}]) }}

with customers as (
    select
        month,
        count(*) as active_customers,
        count(*) filter (where customer_status = 'new') as new_customers,
        count(*) filter (where customer_status = 'returning') as returning_customers,
        count(*) filter (where customer_status = 'reactivated') as reactivated_customers,
        sum(orders)::bigint as orders,
        sum(bought_minor) as bought_minor
    from {{ ref('int_customer_months') }}
    group by month
),

movements as (
    select
        date_trunc('month', day)::date as month,
        sum(net_sales_minor) as net_minor
    from {{ ref('int_sales_days') }}
    group by date_trunc('month', day)::date
),

months as (
    select month::date as month
    from (select generate_series(min(month), max(month), interval '1 month') as month from movements) as series
),

final as (
    select
        months.month,
        coalesce(customers.active_customers, 0) as active_customers,
        coalesce(customers.new_customers, 0) as new_customers,
        coalesce(customers.returning_customers, 0) as returning_customers,
        coalesce(customers.reactivated_customers, 0) as reactivated_customers,
        coalesce(customers.orders, 0) as orders,
        {{ to_shop_currency('coalesce(movements.net_minor, 0)') }} as net_sales,
        {{ to_shop_currency('customers.bought_minor / customers.orders') }} as average_order_value,
        {{ rate('customers.active_customers - customers.new_customers', 'customers.active_customers') }} as repeat_rate,
        '{{ var("shop_currency") }}' as currency
    from months
    left join customers on months.month = customers.month
    left join movements on months.month = movements.month
)

select * from final

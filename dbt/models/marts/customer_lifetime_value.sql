{{ config(indexes=[{'columns': ['customer_key']}]) }}

with orders as (
    {{ sales_of_customers() }}
),

movements as (
    select * from {{ ref('int_customer_movements') }}
),

windows as (
    select
        greatest({{ shop_day(as_of()) }}, max(day)) + 1 as cutoff,
        365 as horizon_days
    from movements
),

{{ lifetime_value_predictions() }},

customers as (
    select
        customer_key,
        max(accounts) = 0 as is_guest,
        min(order_day) as first_order_day,
        max(order_day) as last_order_day,
        count(*) as orders,
        sum(gross_sales_minor) as gross_minor,
        sum(discounts_minor) as discounts_minor,
        sum(returns_minor) as returns_minor,
        sum(net_sales_minor) as net_minor
    from orders
    group by customer_key
),

final as (
    select
        customers.customer_key,
        customers.is_guest,
        customers.first_order_day,
        customers.last_order_day,
        customers.orders,
        {{ to_shop_currency('customers.gross_minor') }} as gross_sales,
        {{ to_shop_currency('customers.discounts_minor') }} as discounts,
        {{ to_shop_currency('customers.returns_minor') }} as returns,
        {{ to_shop_currency('customers.net_minor') }} as net_sales,
        {{ to_shop_currency('(customers.gross_minor - customers.discounts_minor) / customers.orders') }}
            as average_order_value,
        {{ to_shop_currency('predictions.predicted_minor') }} as predicted_net_sales_12_months,
        '{{ var("shop_currency") }}' as currency
    from customers
    left join predictions on customers.customer_key = predictions.customer_key
)

select * from final

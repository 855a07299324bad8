{{ config(indexes=[{'columns': ['customer_key']}]) }}

with orders as (
    select
        orders.*,
        identities.customer_key,
        identities.accounts
    from {{ ref('fct_orders') }} as orders
    inner join {{ ref('dim_identities') }} as identities on orders.buyer_key = identities.buyer_key
    where orders.is_sale
),

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
        customer_key,
        is_guest,
        first_order_day,
        last_order_day,
        orders,
        {{ to_shop_currency('gross_minor') }} as gross_sales,
        {{ to_shop_currency('discounts_minor') }} as discounts,
        {{ to_shop_currency('returns_minor') }} as returns,
        {{ to_shop_currency('net_minor') }} as net_sales,
        {{ to_shop_currency('(gross_minor - discounts_minor) / orders') }} as average_order_value,
        '{{ var("shop_currency") }}' as currency
    from customers
)

select * from final

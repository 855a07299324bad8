with orders as (
    {{ sales_of_customers() }}
),

customers as (
    select
        customer_key,
        min(order_day) as first_order_day,
        max(order_day) as last_order_day,
        greatest(0, {{ shop_day(as_of()) }} - max(order_day)) as recency_days,
        count(*) as orders,
        sum(net_sales_minor) as net_minor
    from orders
    group by customer_key
),

-- Who bought once has no gap of their own: that of all who came back stands for it.
final as (
    select
        customer_key,
        first_order_day,
        last_order_day,
        recency_days,
        orders,
        net_minor,
        greatest(7, coalesce(
            {{ rate('last_order_day - first_order_day', 'orders - 1') }},
            {{ rate('sum(last_order_day - first_order_day) over ()', 'sum(orders - 1) over ()') }}
        ))::numeric(18, 4) as usual_gap_days,
        (1 + 5 * (rank() over (order by last_order_day asc) - 1) / count(*) over ())::integer as recency_score,
        (1 + 5 * (rank() over (order by orders asc) - 1) / count(*) over ())::integer as frequency_score,
        (1 + 5 * (rank() over (order by net_minor asc) - 1) / count(*) over ())::integer as monetary_score
    from customers
)

select * from final

-- Whichever way they are told apart, the cohorts have every customer once, and all that was bought.
{% set kinds = ['customer_cohorts', 'customer_cohorts_by_product', 'customer_cohorts_by_campaign'] %}

with customers as (
    select
        count(*) as customers,
        coalesce(sum(orders), 0) as orders,
        coalesce(sum(net_sales), 0) as net_sales
    from {{ ref('customer_lifetime_value') }}
),

cohorts as (
    {% for kind in kinds %}
    select
        '{{ kind }}' as kind,
        coalesce(sum(cohort_customers) filter (where months_since = 0), 0) as customers,
        coalesce(sum(orders), 0) as orders,
        coalesce(sum(net_sales), 0) as net_sales
    from {{ ref(kind) }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

final as (
    select
        cohorts.*,
        customers.customers as all_customers,
        customers.orders as all_orders,
        customers.net_sales as all_net_sales
    from cohorts
    cross join customers
    where
        cohorts.customers != customers.customers
        or cohorts.orders != customers.orders
        or cohorts.net_sales != customers.net_sales
)

select * from final

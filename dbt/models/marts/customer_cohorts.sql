{{ config(indexes=[{'columns': ['cohort_month']}]) }}

with cohorts as (
    select * from {{ ref('int_cohort_series') }}
    where dimension = 'all'
),

final as (
    select
        cohort_month,
        months_since,
        cohort_customers,
        active_customers,
        orders,
        {{ to_shop_currency('net_sales_minor') }} as net_sales,
        {{ rate('active_customers', 'cohort_customers') }} as retention_rate,
        {{ to_shop_currency('cumulative_minor') }} as cumulative_net_sales,
        {{ to_shop_currency('cumulative_minor / cohort_customers') }} as cumulative_value_per_customer,
        '{{ var("shop_currency") }}' as currency
    from cohorts
)

select * from final

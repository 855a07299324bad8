{{ config(indexes=[{'columns': ['cohort_month']}]) }}

with cohorts as (
    select * from {{ ref('int_cohort_series') }}
    where dimension = 'campaign'
),

campaigns as (
    select * from {{ ref('dim_campaigns') }}
),

final as (
    select
        cohorts.cohort_month,
        cohorts.value as campaign_id,
        case cohorts.value
            when 'none' then 'none'
            else coalesce(campaigns.campaign_name, 'unknown')
        end as campaign_name,
        cohorts.months_since,
        cohorts.cohort_customers,
        cohorts.active_customers,
        cohorts.orders,
        {{ to_shop_currency('cohorts.net_sales_minor') }} as net_sales,
        {{ rate('cohorts.active_customers', 'cohorts.cohort_customers') }} as retention_rate,
        {{ to_shop_currency('cohorts.cumulative_minor') }} as cumulative_net_sales,
        {{ to_shop_currency('cohorts.cumulative_minor / cohorts.cohort_customers') }} as cumulative_value_per_customer,
        '{{ var("shop_currency") }}' as currency
    from cohorts
    left join campaigns on cohorts.value = campaigns.campaign_id
)

select * from final

{{ config(indexes=[{'columns': ['customer_key']}, {'columns': ['rfm_segment']}]) }}

with customers as (
    select * from {{ ref('int_customer_habits') }}
),

final as (
    select
        customer_key,
        case when orders = 1 then 'new' else 'returning' end as segment,
        first_order_day,
        last_order_day,
        recency_days,
        orders,
        {{ to_shop_currency('net_minor') }} as net_sales,
        recency_score,
        frequency_score,
        monetary_score,
        case
            when orders = 1 and recency_score >= 4 then 'newcomer'
            when orders = 1 then 'one-time'
            when recency_score >= 4 and frequency_score >= 4 and monetary_score >= 4 then 'champion'
            when recency_score >= 3 and frequency_score >= 4 then 'loyal'
            when recency_score >= 3 then 'regular'
            when frequency_score >= 4 or monetary_score >= 4 then 'at risk'
            else 'lapsed'
        end as rfm_segment,
        usual_gap_days,
        case
            when recency_days <= usual_gap_days then 'low'
            when recency_days <= 2 * usual_gap_days then 'medium'
            else 'high'
        end as churn_risk,
        '{{ var("shop_currency") }}' as currency
    from customers
)

select * from final

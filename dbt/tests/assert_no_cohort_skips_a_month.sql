{% set keys = {
    'customer_cohorts': "'all'", 'customer_cohorts_by_product': 'product_id', 'customer_cohorts_by_campaign': 'campaign_id'
} %}

with cohorts as (
    {% for kind, key in keys.items() %}
    select
        '{{ kind }}' as kind,
        {{ key }} as key,
        cohort_month,
        months_since,
        (cohort_month + make_interval(months => months_since))::date as month,
        net_sales,
        cumulative_net_sales
    from {{ ref(kind) }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

steps as (
    select
        *,
        lag(months_since) over earlier as months_before,
        lag(cumulative_net_sales) over earlier as cumulative_before,
        lead(months_since) over earlier is null as is_last
    from cohorts
    window earlier as (partition by kind, key, cohort_month order by months_since asc)
),

final as (
    select *
    from steps
    where
        months_since != coalesce(months_before + 1, 0)
        or cumulative_net_sales != coalesce(cumulative_before, 0) + net_sales
        or is_last != (month = (select max(cohorts.month) from cohorts))
)

select * from final

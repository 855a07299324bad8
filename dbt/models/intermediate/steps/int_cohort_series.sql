with cells as (
    select * from {{ ref('int_cohort_months') }}
),

cohorts as (
    select
        dimension,
        value,
        cohort_month,
        active_customers as cohort_customers
    from cells
    where month = cohort_month
),

months as (
    select
        cohorts.*,
        series.month::date as month,
        (series.place - 1)::integer as months_since
    from cohorts
    cross join lateral generate_series(
        cohorts.cohort_month, (select max(cells.month) from cells), interval '1 month'
    ) with ordinality as series (month, place)
),

final as (
    select
        months.dimension,
        months.value,
        months.cohort_month,
        months.months_since,
        months.cohort_customers,
        coalesce(cells.active_customers, 0)::bigint as active_customers,
        coalesce(cells.orders, 0)::bigint as orders,
        coalesce(cells.net_sales_minor, 0)::bigint as net_sales_minor,
        sum(coalesce(cells.net_sales_minor, 0)) over so_far as cumulative_minor
    from months
    left join cells
        on
            months.dimension = cells.dimension
            and months.value = cells.value
            and months.cohort_month = cells.cohort_month
            and months.month = cells.month
    window so_far as (
        partition by months.dimension, months.value, months.cohort_month order by months.months_since asc
    )
)

select * from final

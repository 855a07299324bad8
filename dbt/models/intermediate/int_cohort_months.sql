{{ config(unique_key='month', indexes=[
    {'columns': ['month', 'cohort_month', 'dimension', 'value'], 'unique': true}, {'columns': ['_built_at']}
], post_hook=["{{ remove_placeholders('cohort_month') }}", "delete from {{ ref('int_cohort_movements') }} where is_gone"]) }}

with changed as (
    select distinct month
    from {{ ref('int_cohort_movements') }}
    {{ where_changed() }}
),

movements as (
    select * from {{ ref('int_cohort_movements') }}
    where not is_gone
),

final as (
    select
        changed.month,
        movements.cohort_month,
        case grouping(movements.product_id, movements.campaign_id)
            when 1 then 'product'
            when 2 then 'campaign'
            else 'all'
        end as dimension,
        coalesce(movements.product_id, movements.campaign_id, 'all') as value,
        count(distinct movements.customer_key) filter (where movements.orders > 0) as active_customers,
        sum(movements.orders)::bigint as orders,
        sum(movements.net_sales_minor)::bigint as net_sales_minor,
        current_timestamp as _built_at
    from changed
    left join movements on changed.month = movements.month
    group by
        changed.month,
        movements.cohort_month,
        grouping sets ((), (movements.product_id), (movements.campaign_id))
)

select * from final

{{ config(indexes=[{'columns': ['product_id']}]) }}

{%- set today = shop_day(as_of()) %}

with products as (
    select
        products.*,
        on_sale.days_before
    from {{ ref('dim_products') }} as products
    inner join {{ ref('int_days_on_sale') }} as on_sale on products.product_id = on_sale.product_id
    where not products.is_deleted
),

activity as (
    select
        product_id,
        day,
        views + add_to_carts as actions,
        0 as orders
    from {{ ref('int_product_days') }}
    where day between {{ today }} - 35 and {{ today }} - 1
    union all
    select
        product_id,
        day,
        orders as actions,
        orders
    from {{ ref('int_product_sales') }}
    where day between {{ today }} - 35 and {{ today }} - 1
),

sums as (
    select
        product_id,
        coalesce(sum(orders) filter (where day >= {{ today }} - 7), 0) as recent_orders,
        coalesce(sum(actions) filter (where day >= {{ today }} - 7), 0) as recent_actions,
        coalesce(sum(actions) filter (where day < {{ today }} - 7), 0) as past_actions
    from activity
    group by product_id
),

scored as (
    select
        sums.product_id,
        products.title,
        sums.recent_orders,
        sums.recent_actions,
        {{ rate('sums.recent_actions', '7') }} as recent_activity_per_day,
        {{ rate('sums.past_actions', 'products.days_before') }} as past_activity_per_day,
        {{ rate('sums.recent_actions * products.days_before', 'greatest(sums.past_actions, 1) * 7') }} as trend_score
    from sums
    inner join products on sums.product_id = products.product_id
    where products.days_before >= 7 and sums.recent_actions >= {{ var('trending_minimum_activity') }}
),

final as (
    select
        product_id,
        title,
        recent_orders::bigint as recent_orders,
        recent_actions::bigint as recent_activity,
        recent_activity_per_day,
        past_activity_per_day,
        trend_score,
        row_number() over (order by trend_score desc, recent_actions desc, product_id asc) as trend_rank
    from scored
    where trend_score > 1
)

select * from final

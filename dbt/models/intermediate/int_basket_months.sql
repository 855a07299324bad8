{{ config(unique_key='month', indexes=[{'columns': ['month']}, {'columns': ['_built_at']}],
    post_hook="{{ remove_placeholders('kind') }}") }}

{% set changed_months %}
    select date_trunc('month', {{ each_of('_days', 'date') }})::date as month from {{ ref('int_order_days') }} {{ where_changed() }}
    union distinct
    select date_trunc('month', {{ each_of('_days', 'date') }})::date as month from {{ ref('int_session_days') }} {{ where_changed() }}
{% endset %}

with changed as (
    {{ changed_months }}
),

baskets as (
    select
        *,
        count(*) over (partition by basket_key) as products
    from {{ ref('int_baskets') }}
    where {{ among('month', changed_months) }}
),

-- Who buys for a whole shop does not show what belongs together, and the pairs grow with the square of the products.
kept as (
    select * from baskets
    where products <= {{ var('recommendation_basket_limit') }}
),

-- A product beside itself stands for how many baskets have it.
pairs as (
    select
        kept.month,
        kept.kind,
        kept.product_id,
        others.product_id as other_product_id,
        count(*) as baskets
    from kept
    inner join kept as others on kept.basket_key = others.basket_key and kept.product_id <= others.product_id
    group by kept.month, kept.kind, kept.product_id, others.product_id
    union all
    select
        month,
        kind,
        null as product_id,
        null as other_product_id,
        count(distinct basket_key) as baskets
    from kept
    group by month, kind
),

final as (
    select
        changed.month,
        pairs.kind,
        pairs.product_id,
        pairs.other_product_id,
        pairs.baskets,
        current_timestamp as _built_at
    from changed
    left join pairs on changed.month = pairs.month
)

select * from final

{{ config(unique_key='customer_key', indexes=[
    {'columns': ['customer_key'], 'unique': true}, {'columns': ['first_order_id']}, {'columns': ['_built_at']}
], post_hook="{{ remove_placeholders('first_order_id') }}") }}

with buyers as not materialized (
    select * from {{ ref('int_buyer_customers') }}
),

changed_orders as (
    select order_id from {{ ref('fct_orders') }} {{ where_changed() }}
    union distinct
    select order_id from {{ ref('fct_order_attributions') }} {{ where_changed() }}
    union distinct
    select orders.order_id
    from (select * from buyers {{ where_changed() }}) as other_person
    inner join {{ ref('fct_orders') }} as orders on other_person.buyer_key = orders.buyer_key
),

-- Whose order it is, and who began with it until now.
changed as (
    select distinct buyers.customer_key
    from changed_orders
    inner join {{ ref('fct_orders') }} as orders on changed_orders.order_id = orders.order_id
    inner join buyers on orders.buyer_key = buyers.buyer_key
    {% if is_incremental() %}
    union distinct
    select customer_key from {{ this }}
    where first_order_id in (select changed_orders.order_id from changed_orders)
    {% endif %}
),

first_orders as (
    select distinct on (buyers.customer_key)
        buyers.customer_key,
        orders.order_id,
        orders.order_day
    from changed
    inner join buyers on changed.customer_key = buyers.customer_key
    inner join {{ ref('fct_orders') }} as orders on buyers.buyer_key = orders.buyer_key
    where orders.is_sale
    order by buyers.customer_key asc, orders.processed_at asc, orders.order_id asc
),

first_products as (
    select distinct on (order_id)
        order_id,
        product_id
    from {{ ref('int_line_revenue') }}
    where order_id in (select first_orders.order_id from first_orders)
    order by order_id asc, gross_sales_minor desc, line_id asc
),

final as (
    select
        changed.customer_key,
        first_orders.order_id as first_order_id,
        date_trunc('month', first_orders.order_day)::date as cohort_month,
        first_products.product_id,
        coalesce(attributions.campaign_id, 'none') as campaign_id,
        current_timestamp as _built_at
    from changed
    left join first_orders on changed.customer_key = first_orders.customer_key
    left join first_products on first_orders.order_id = first_products.order_id
    left join {{ ref('fct_order_attributions') }} as attributions on first_orders.order_id = attributions.order_id
)

select * from final

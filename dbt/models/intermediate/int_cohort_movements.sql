{{ config(unique_key=['order_id', 'month'], indexes=[
    {'columns': ['order_id', 'month'], 'unique': true}, {'columns': ['month']}, {'columns': ['is_gone']},
    {'columns': ['_built_at']}
]) }}

-- A changed order, or one of a customer who is another one now or begins elsewhere.
with changed as (
    select order_id from {{ ref('fct_orders') }} {{ where_changed() }}
    union distinct
    select orders.order_id
    from (select customer_key from {{ ref('int_customer_cohorts') }} {{ where_changed() }}) as customers
    inner join {{ ref('int_buyer_customers') }} as buyers on customers.customer_key = buyers.customer_key
    inner join {{ ref('fct_orders') }} as orders on buyers.buyer_key = orders.buyer_key
),

orders as (
    select
        orders.*,
        cohorts.customer_key,
        cohorts.cohort_month,
        cohorts.product_id,
        cohorts.campaign_id
    from {{ ref('fct_orders') }} as orders
    inner join {{ ref('int_buyer_customers') }} as buyers on orders.buyer_key = buyers.buyer_key
    inner join {{ ref('int_customer_cohorts') }} as cohorts on buyers.customer_key = cohorts.customer_key
    where orders.is_sale and orders.order_id in (select changed.order_id from changed)
),

-- A sale stands in the month of its order, a return in that of its refund, though never before its cohort.
moved as (
    select
        orders.*,
        date_trunc('month', orders.order_day)::date as month,
        1 as sales,
        orders.gross_sales_minor - orders.discounts_minor as amount_minor
    from orders
    union all
    select
        orders.*,
        greatest(date_trunc('month', refund_lines.refund_day)::date, orders.cohort_month) as month,
        0 as sales,
        -refund_lines.returns_minor as amount_minor
    from orders
    inner join {{ ref('fct_refund_lines') }} as refund_lines on orders.order_id = refund_lines.order_id
),

movements as (
    select
        order_id,
        month,
        customer_key,
        cohort_month,
        product_id,
        campaign_id,
        sum(sales)::bigint as orders,
        sum(amount_minor)::bigint as net_sales_minor
    from moved
    group by order_id, month, customer_key, cohort_month, product_id, campaign_id
),

final as (
    {{ differences('movements', key=['order_id', 'month'], columns=[
        'order_id', 'month', 'customer_key', 'cohort_month', 'product_id', 'campaign_id', 'orders', 'net_sales_minor'
    ], among='order_id in (select changed.order_id from changed)') }}
)

select * from final

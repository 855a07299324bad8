{{ config(unique_key='order_id', indexes=[{'columns': ['order_id'], 'unique': true}, {'columns': ['_built_at']}]) }}

-- It is asked for the changed orders alone, by its indexes.
with orders as not materialized (
    select * from {{ ref('stg_shopify__orders') }}
),

customers as (
    select * from {{ ref('dim_customers_history') }}
),

-- An order that changed, or of whose time something else has become known of its buyer.
changed as (
    select order_id from {{ ref('stg_shopify__orders') }}
    {{ where_changed() }}
    {% if is_incremental() %}
    union
    select orders.order_id
    from (select * from {{ ref('dim_customers_history') }} {{ where_changed() }}) as news
    inner join orders on news.customer_id = orders.customer_id and {{ held_at('news', 'orders.processed_at') }}
    {% endif %}
),

final as (
    select
        orders.order_id,
        {{ shop_day('orders.processed_at') }} as order_day,
        customers.marketing_state,
        coalesce(customers.marketing_state = 'SUBSCRIBED', false) as is_subscribed,
        current_timestamp as _built_at
    from changed
    inner join orders on changed.order_id = orders.order_id
    left join customers
        on orders.customer_id = customers.customer_id and {{ held_at('customers', 'orders.processed_at') }}
)

select * from final

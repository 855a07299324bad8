{{ config(unique_key='order_id', indexes=[
    {'columns': ['order_id'], 'unique': true}, {'columns': ['customer_key']}, {'columns': ['_built_at']}
], post_hook="{{ remove_placeholders('segment') }}") }}

with orders as not materialized (
    select
        orders.*,
        customers.customer_key
    from {{ ref('fct_orders') }} as orders
    inner join {{ ref('int_buyer_customers') }} as customers on orders.buyer_key = customers.buyer_key
),

changed_orders as (
    select order_id from {{ ref('fct_orders') }} {{ where_changed() }}
    union distinct
    select orders.order_id
    from (select buyer_key from {{ ref('int_buyer_customers') }} {{ where_changed() }}) as buyers
    inner join orders on buyers.buyer_key = orders.buyer_key
),

-- Whose they are, and whose they were.
changed as (
    select customer_key from orders
    where order_id in (select changed_orders.order_id from changed_orders)
    {% if is_incremental() %}
    union distinct
    select customer_key from {{ this }}
    where order_id in (select changed_orders.order_id from changed_orders)
    {% endif %}
),

placed as (
    select
        order_id,
        customer_key,
        case row_number() over (partition by customer_key order by processed_at asc, order_id asc)
            when 1 then 'new'
            else 'returning'
        end as segment
    from orders
    where is_sale and customer_key in (select changed.customer_key from changed)
),

-- Only what differs, so that a returning customer's old days are not built anew.
final as (
    select
        placed.*,
        current_timestamp as _built_at
    from placed
    {% if is_incremental() %}
    left join {{ this }} as known on placed.order_id = known.order_id
    where (placed.customer_key, placed.segment) is distinct from (known.customer_key, known.segment)
    union all
    select
        known.order_id,
        known.customer_key,
        null as segment,
        current_timestamp as _built_at
    from {{ this }} as known
    where
        known.customer_key in (select changed.customer_key from changed)
        and known.order_id not in (select placed.order_id from placed)
    {% endif %}
)

select * from final

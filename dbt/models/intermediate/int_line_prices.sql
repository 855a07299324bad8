{{ config(unique_key='order_id', indexes=[
    {'columns': ['order_id']}, {'columns': ['line_id'], 'unique': true}, {'columns': ['_built_at']}
], post_hook="{{ remove_placeholders('line_id') }}") }}

-- Both are asked for the changed orders alone, by their indexes.
with orders as not materialized (
    select * from {{ ref('fct_orders') }}
),

lines as not materialized (
    select * from {{ ref('fct_order_lines') }}
),

prices as (
    select * from {{ ref('dim_prices_history') }}
    where not is_deleted
),

-- An order that changed, or of whose time the prices have become known otherwise.
changed as (
    select order_id from {{ ref('fct_orders') }}
    {{ where_changed() }}
    {% if is_incremental() %}
    union
    select orders.order_id
    from (select * from {{ ref('dim_prices_history') }} {{ where_changed() }}) as news
    inner join lines on news.variant_id = lines.variant_id
    inner join orders on lines.order_id = orders.order_id and {{ held_at('news', 'orders.processed_at') }}
    {% endif %}
),

final as (
    select
        changed.order_id,
        orders.order_day,
        lines.line_id,
        prices.price_minor,
        prices.compare_at_price_minor,
        greatest(prices.compare_at_price_minor - lines.unit_price_minor, 0) as markdown_minor,
        current_timestamp as _built_at
    from changed
    inner join orders on changed.order_id = orders.order_id
    left join lines on changed.order_id = lines.order_id
    left join prices on lines.variant_id = prices.variant_id and {{ held_at('prices', 'orders.processed_at') }}
)

select * from final

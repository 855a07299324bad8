{{ config(unique_key='order_id', indexes=[
    {'columns': ['order_id']}, {'columns': ['line_id']}, {'columns': ['order_day']}, {'columns': ['_built_at']}
]) }}

with orders as (
    select * from {{ ref('fct_orders') }}
    {{ where_changed() }}
),

lines as (
    select * from {{ ref('fct_order_lines') }}
    where order_id in (select orders.order_id from orders)
),

weighed as (
    select
        orders.order_id,
        lines.line_id,
        coalesce(lines.product_id, 'unknown') as product_id,
        orders.order_day,
        coalesce(lines.units_ordered, 0) as units_ordered,
        coalesce(lines.gross_sales_minor, 0) as gross_sales_minor,
        coalesce(lines.discounts_minor, 0) as discounts_minor,
        coalesce(lines.taxes_minor, 0) as taxes_minor,
        orders.shipping_minor,
        orders.taxes_minor - sum(coalesce(lines.taxes_minor, 0)) over whole as shipping_taxes_minor,
        case
            when sum(greatest(lines.gross_sales_minor - lines.discounts_minor, 0)) over whole > 0
                then greatest(lines.gross_sales_minor - lines.discounts_minor, 0)
            else 1
        end as weight
    from orders
    left join lines on orders.order_id = lines.order_id
    window whole as (partition by orders.order_id)
),

final as (
    select
        order_id,
        line_id,
        product_id,
        order_day,
        weight,
        units_ordered,
        gross_sales_minor,
        discounts_minor,
        (taxes_minor + {{ share_of('shipping_taxes_minor', 'weight', 'order_id', 'line_id') }})::bigint as taxes_minor,
        ({{ share_of('shipping_minor', 'weight', 'order_id', 'line_id') }})::bigint as shipping_minor,
        current_timestamp as _built_at
    from weighed
)

select * from final

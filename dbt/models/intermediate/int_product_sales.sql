{{ config(unique_key='day', indexes=[
    {'columns': ['day', 'product_id'], 'unique': true}, {'columns': ['_built_at']}
], post_hook="{{ remove_placeholders('product_id') }}") }}

-- A cost that arrives later changes every day of its month.
{% set changed_days %}
    select {{ each_of('_days', 'date') }} as day from {{ ref('int_order_days') }} {{ where_changed() }}
    union distinct
    select order_day as day from {{ ref('int_line_prices') }} {{ where_changed() }}
    union distinct
    select generate_series(cost_month, cost_month + interval '1 month - 1 day', interval '1 day')::date as day
    from {{ ref('stg_uploads__product_costs') }} {{ where_changed() }}
{% endset %}

with changed as (
    {{ changed_days }}
),

lines as (
    select * from {{ ref('int_sold_lines') }}
    where {{ among('order_day', changed_days) }}
),

final as (
    select
        changed.day,
        lines.product_id,
        count(distinct lines.order_id) as orders,
        sum(lines.units_ordered)::bigint as units_ordered,
        sum(lines.units_returned)::bigint as units_returned,
        sum(lines.gross_sales_minor)::bigint as gross_sales_minor,
        sum(lines.discounts_minor)::bigint as discounts_minor,
        sum(lines.returns_minor)::bigint as returns_minor,
        sum(lines.net_sales_minor)::bigint as net_sales_minor,
        sum(lines.cost_minor)::bigint as cost_minor,
        sum(lines.net_sales_minor) filter (where lines.cost_minor is not null)::bigint as costed_net_sales_minor,
        coalesce(sum(lines.units_ordered) filter (where lines.cost_minor is not null), 0)::bigint as units_costed,
        sum(lines.units_marked_down)::bigint as units_marked_down,
        sum(lines.markdown_minor)::bigint as markdown_minor,
        current_timestamp as _built_at
    from changed
    left join lines on changed.day = lines.order_day
    group by changed.day, lines.product_id
)

select * from final

{%- set today = shop_day(as_of()) %}

with history as (
    select * from {{ ref('dim_products_history') }}
    where status = 'ACTIVE' and not is_deleted
),

final as (
    select
        product_id,
        sum(greatest(
            0,
            least({{ today }} - 7, {{ shop_day("coalesce(valid_to, 'infinity')") }})
            - greatest({{ today }} - 35, {{ shop_day('valid_from') }})
        )) as days_before
    from history
    group by product_id
    having bool_or(is_current)
)

select * from final

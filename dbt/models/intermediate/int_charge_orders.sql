{{ config(unique_key='charge_id', indexes=[
    {'columns': ['charge_id'], 'unique': true}, {'columns': ['payment_key']}, {'columns': ['_built_at']}
]) }}

with payments as not materialized (
    select * from {{ ref('fct_payments') }}
),

orders as not materialized (
    select * from {{ ref('fct_orders') }}
),

-- A changed charge, or one whose order is learnt of, or turns out to be none, only now.
changed as (
    select charge_id from payments {{ where_changed() }}
    union distinct
    select payments.charge_id
    from (select order_id from orders {{ where_changed() }}) as new_orders
    inner join payments on new_orders.order_id = payments.order_id
),

belongs as (
    select
        payments.charge_id,
        orders.order_id,
        coalesce('order:' || orders.order_id, 'charge:' || payments.charge_id) as payment_key
    from payments
    inner join changed on payments.charge_id = changed.charge_id
    left join orders on payments.order_id = orders.order_id and not orders.is_test and not orders.is_deleted
),

final as (
    select
        charge_id,
        order_id,
        payment_key,
        {{ ever('_payment_keys', now='array[payment_key]', rows='belongs', key='charge_id') }} as _payment_keys,
        current_timestamp as _built_at
    from belongs
)

select * from final

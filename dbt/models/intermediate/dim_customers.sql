{{ config(materialized='table', indexes=[{'columns': ['customer_key'], 'unique': true}]) }}

with customers as (
    select * from {{ ref('stg_shopify__customers') }}
),

countries as (
    select * from {{ ref('countries') }}
),

-- Who ordered, as their latest order tells: guests, and customers that the shop's list does not have yet.
buyers as (
    select distinct on (customer_key) *
    from {{ ref('fct_orders') }}
    order by customer_key asc, processed_at desc, order_id desc
),

united as (
    select
        coalesce(customers.customer_id, buyers.customer_key) as customer_key,
        coalesce(buyers.is_guest, false) as is_guest,
        case when customers.customer_id is null then buyers.email else customers.email end as email,
        customers.first_name,
        customers.last_name,
        customers.phone,
        customers.marketing_state,
        coalesce(customers.country_code, buyers.country_code) as country_code,
        customers.city,
        customers.zip,
        customers.created_at,
        coalesce(customers.is_deleted, false) as is_deleted
    from customers
    full outer join buyers on customers.customer_id = buyers.customer_key
),

final as (
    select
        united.*,
        {{ region('united.country_code', 'countries.region') }} as region
    from united
    left join countries on united.country_code = countries.code
)

select * from final

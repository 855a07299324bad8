{{ config(materialized='table', indexes=[{'columns': ['customer_key'], 'unique': true}]) }}

with identities as (
    select * from {{ ref('dim_identities') }}
),

countries as (
    select * from {{ ref('countries') }}
),

-- What a person's accounts say: the one that changed last, if it is not deleted.
accounts as (
    select distinct on (identities.customer_key)
        customers.*,
        identities.customer_key,
        min(customers.created_at) over person as first_created_at,
        bool_and(customers.is_deleted) over person as all_deleted
    from {{ ref('stg_shopify__customers') }} as customers
    inner join identities on customers.customer_id = identities.buyer_key
    window person as (partition by identities.customer_key)
    order by
        identities.customer_key asc, customers.is_deleted asc, customers.updated_at desc nulls last,
        customers.customer_id desc
),

-- Who ordered, as their latest order tells: guests, and accounts that the shop's list does not have yet.
buyers as (
    select distinct on (identities.customer_key)
        orders.*,
        identities.customer_key
    from {{ ref('fct_orders') }} as orders
    inner join identities on orders.buyer_key = identities.buyer_key
    order by identities.customer_key asc, orders.processed_at desc, orders.order_id desc
),

people as (
    select distinct
        customer_key,
        accounts
    from identities
),

final as (
    select
        people.customer_key,
        people.accounts,
        people.accounts = 0 as is_guest,
        case when accounts.customer_key is null then buyers.email else accounts.email end as email,
        accounts.first_name,
        accounts.last_name,
        accounts.phone,
        accounts.marketing_state,
        coalesce(accounts.country_code, buyers.country_code) as country_code,
        accounts.city,
        accounts.zip,
        accounts.first_created_at as created_at,
        coalesce(accounts.all_deleted, false) as is_deleted,
        {{ region('coalesce(accounts.country_code, buyers.country_code)', 'countries.region') }} as region
    from people
    left join accounts on people.customer_key = accounts.customer_key
    left join buyers on people.customer_key = buyers.customer_key
    left join countries on coalesce(accounts.country_code, buyers.country_code) = countries.code
)

select * from final

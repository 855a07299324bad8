with customers as (
    select * from {{ ref('stg_shopify__customers') }}
),

latest as (
    select * from {{ ref('int_buyer_mailboxes') }}
    where place = 1 and not is_guest
),

accounts as (
    select
        coalesce(customers.customer_id, latest.buyer_key) as buyer_key,
        coalesce({{ mailbox_key('customers.email') }}, latest.mailbox_key) as mailbox_key
    from customers
    full outer join latest on customers.customer_id = latest.buyer_key
),

-- Shopify's ids grow with time: the lowest is the oldest account, and stays it when that is deleted.
final as (
    select
        buyer_key,
        mailbox_key,
        case
            when mailbox_key is null or count(*) over (partition by mailbox_key) > {{ var('identity_accounts_limit') }}
                then buyer_key
            else first_value(buyer_key) over (partition by mailbox_key order by length(buyer_key) asc, buyer_key asc)
        end as customer_key
    from accounts
)

select * from final

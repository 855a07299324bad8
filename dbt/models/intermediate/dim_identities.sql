{{ config(materialized='table', indexes=[{'columns': ['buyer_key'], 'unique': true}, {'columns': ['customer_key']}]) }}

with accounts as (
    select * from {{ ref('int_account_people') }}
),

used as (
    select * from {{ ref('int_buyer_mailboxes') }}
),

-- Whom a mailbox points to: those who have it now come before those who once ordered with it.
claims as (
    select
        mailbox_key,
        customer_key,
        1 as place
    from accounts
    union all
    select
        used.mailbox_key,
        accounts.customer_key,
        2 as place
    from used
    inner join accounts on used.buyer_key = accounts.buyer_key
),

ranked as (
    select
        *,
        min(place) over (partition by mailbox_key) as first_place
    from claims
),

owners as (
    select
        mailbox_key,
        min(customer_key) as customer_key
    from ranked
    where place = first_place
    group by mailbox_key
    having min(customer_key) = max(customer_key)
),

buyers as (
    select
        buyer_key,
        customer_key,
        1 as accounts
    from accounts
    union all
    select
        used.buyer_key,
        coalesce(owners.customer_key, used.guest_key, used.buyer_key) as customer_key,
        0 as accounts
    from used
    left join owners on used.mailbox_key = owners.mailbox_key
    where used.is_guest
),

final as (
    select
        buyer_key,
        customer_key,
        sum(accounts) over (partition by customer_key) as accounts
    from buyers
)

select * from final

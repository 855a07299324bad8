{#-
  Which mailbox an address leads to, as a pseudonym: the case of the letters does not matter, nor does what stands
  behind a plus (ada+shop@), nor at Gmail a dot or the domain's other name. Null without an address.
-#}
{% macro mailbox_key(address) -%}
    {%- set untagged = "regexp_replace(lower(" ~ address ~ "), '^([^+@]+)[+][^@]*@', '\\1@')" -%}
    md5(
        case
            when {{ untagged }} ~ '@(gmail|googlemail)[.]com$'
                then replace(split_part({{ untagged }}, '@', 1), '.', '') || '@gmail.com'
            else {{ untagged }}
        end
    )
{%- endmacro %}


{#- Each sale with the person whose it is (customer_key), and how many accounts that person has. -#}
{% macro sales_of_customers() -%}
    select
        orders.*,
        identities.customer_key,
        identities.accounts
    from {{ ref('fct_orders') }} as orders
    inner join {{ ref('dim_identities') }} as identities on orders.buyer_key = identities.buyer_key
    where orders.is_sale
{%- endmacro %}

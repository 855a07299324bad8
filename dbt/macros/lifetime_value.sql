{#- For how many days the back-test looks ahead; and over how many the share of those who stay is measured. -#}
{% macro lifetime_value_horizons() -%}
    (values (7), (30), (90), (365)) as horizons (days)
{%- endmacro %}


{#-
  What each customer is expected to bring: the method of `predicted_net_sales_12_months`, in words in
  models/marts/_lifetime_value.md. The mart and its back-test have it from here, so that what is tested is what is used.

  CTEs that go on from two of the query's own: `movements` (int_customer_movements) and `windows` (cutoff,
  horizon_days). The last one is `predictions`: cutoff, horizon_days, customer_key, predicted_minor of each customer
  with a sale before the cutoff's local midnight, from nothing but what had happened by then.
-#}
{% macro lifetime_value_predictions() -%}
-- When to look back from: as many days before the cutoff as the horizon has, or the most that the history has.
looks as (
    select
        windows.cutoff,
        windows.horizon_days,
        windows.cutoff - max(horizons.days) as looked_from
    from windows
    left join {{ lifetime_value_horizons() }}
        on
            windows.horizon_days >= horizons.days
            and windows.cutoff - horizons.days > (select min(movements.day) from movements)
    group by windows.cutoff, windows.horizon_days
),

days as (
    select cutoff as day from looks
    union
    select looked_from from looks
    where looked_from is not null
),

-- How each customer stood on those days: repeat orders in how many days, and what they brought.
states as (
    select
        days.day,
        movements.customer_key,
        sum(movements.orders)::numeric as orders,
        sum(movements.orders)::numeric - 1 as repeats,
        (days.day - min(movements.day))::numeric as known_days,
        case
            when days.day - max(movements.day) filter (where movements.orders > 0) <= 30 then 'recent'
            when days.day - max(movements.day) filter (where movements.orders > 0) <= 90 then 'quiet'
            else 'silent'
        end as recency,
        sum(movements.net_minor)::numeric as net_minor
    from days
    inner join movements on days.day > movements.day
    group by days.day, movements.customer_key
),

means as (
    select
        day,
        sum(repeats) / sum(known_days) as repeats_per_day,
        sum(net_minor) / sum(orders) as net_per_order
    from states
    group by day
),

variances as (
    select
        means.day,
        means.repeats_per_day,
        means.net_per_order,
        sum((states.repeats - means.repeats_per_day * states.known_days) ^ 2 - states.repeats)
        / sum(states.known_days ^ 2) as variance
    from means
    inner join states on means.day = states.day
    group by means.day, means.repeats_per_day, means.net_per_order
),

-- What all customers together tell of one who is not known yet: so many orders in so many days.
priors as (
    select
        *,
        case when variance > 0 then repeats_per_day ^ 2 / variance end as orders,
        case when variance > 0 then repeats_per_day / variance end as days
    from variances
),

rates as (
    select
        states.*,
        coalesce((priors.orders + states.repeats) / (priors.days + states.known_days), priors.repeats_per_day)
            as orders_per_day,
        (5 * priors.net_per_order + states.net_minor) / (5 + states.orders) as net_per_order
    from states
    inner join priors on states.day = priors.day
),

-- Of those who had been as long without an order; and, with no recency, of all.
survival as (
    select
        looks.cutoff,
        looks.horizon_days,
        before.recency,
        least(1, (1 + sum(since.orders - before.orders))
        / (1 + (looks.cutoff - looks.looked_from) * sum(before.orders_per_day))) as share
    from looks
    inner join rates as before on looks.looked_from = before.day
    inner join rates as since on looks.cutoff = since.day and before.customer_key = since.customer_key
    group by looks.cutoff, looks.horizon_days, looks.looked_from, grouping sets ((), (before.recency))
),

predictions as (
    select
        looks.cutoff,
        looks.horizon_days,
        rates.customer_key,
        round(
            rates.orders_per_day * looks.horizon_days * coalesce(survival.share, everyone.share, 1)
            * rates.net_per_order
        ) as predicted_minor
    from looks
    inner join rates on looks.cutoff = rates.day
    left join survival
        on
            looks.cutoff = survival.cutoff
            and looks.horizon_days = survival.horizon_days
            and rates.recency = survival.recency
    left join survival as everyone
        on
            looks.cutoff = everyone.cutoff
            and looks.horizon_days = everyone.horizon_days
            and everyone.recency is null
)
{%- endmacro %}

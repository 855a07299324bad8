{#- For how many days the back-test looks ahead; and over how many the share of those who stay is measured. -#}
{% macro lifetime_value_horizons() -%}
    (values (7), (30), (90), (365)) as horizons (days)
{%- endmacro %}


{#- Orders a day: a customer's own, drawn towards those of all, which the row `prior` holds. -#}
{% macro expected_orders_per_day(prior, repeats, days) -%}
    coalesce(({{ prior }}.orders + {{ repeats }}) / ({{ prior }}.days + {{ days }}), {{ prior }}.mean)
{%- endmacro %}


{#- How long ago a customer last bought. -#}
{% macro recency(days) -%}
    case when {{ days }} <= 30 then 'recent' when {{ days }} <= 90 then 'quiet' else 'silent' end
{%- endmacro %}


{#-
  What each customer is expected to bring: the method of `predicted_net_sales_12_months`, in words in
  models/marts/_lifetime_value.md. The mart and its back-test have it from here, so that what is tested is what is used.

  CTEs that go on from two of the query's own: `movements` (int_customer_movements) and `windows` (cutoff,
  horizon_days). The last one is `predictions`: cutoff, horizon_days, customer_key, predicted_minor of each customer
  with a sale before the cutoff's local midnight, from nothing but what had happened by then; and beside it what they
  brought in as many days after the cutoff (actual_minor) and before it (recent_minor).

  All customers are looked at once for each window, in whole numbers, and joined with nothing but a row or two: a shop
  has many customers, and this is made anew each day.
-#}
{% macro lifetime_value_predictions() -%}
-- When to look back from: as many days before the cutoff as the horizon has, or the most that the history has.
looks as (
    select
        windows.cutoff,
        windows.horizon_days,
        max(horizons.days) as days_back,
        windows.cutoff - max(horizons.days) as looked_from
    from windows
    left join {{ lifetime_value_horizons() }}
        on
            windows.horizon_days >= horizons.days
            and windows.cutoff - horizons.days > (select min(movements.day) from movements)
    group by windows.cutoff, windows.horizon_days
),

-- How each customer stood at the cutoff; and when looked back from, if they were known then.
standings as (
    select
        looks.cutoff,
        looks.horizon_days,
        looks.days_back,
        movements.customer_key,
        sum(movements.orders) filter (where movements.day < looks.cutoff) - 1 as repeats,
        looks.cutoff - min(movements.day) as known_days,
        looks.cutoff - max(movements.day) filter (where movements.orders > 0 and movements.day < looks.cutoff)
            as silent_days,
        sum(movements.net_minor) filter (where movements.day < looks.cutoff) as net_minor,
        sum(movements.orders) filter (where movements.day < looks.looked_from) - 1 as repeats_then,
        looks.looked_from - min(movements.day) as known_days_then,
        looks.looked_from
        - max(movements.day) filter (where movements.orders > 0 and movements.day < looks.looked_from)
            as silent_days_then,
        coalesce(sum(movements.net_minor) filter (where movements.day >= looks.cutoff), 0) as actual_minor,
        coalesce(sum(movements.net_minor) filter (
            where movements.day between looks.cutoff - looks.horizon_days and looks.cutoff - 1
        ), 0) as recent_minor
    from looks
    inner join movements on looks.cutoff + looks.horizon_days > movements.day
    group by looks.cutoff, looks.horizon_days, looks.days_back, looks.looked_from, movements.customer_key
    having min(movements.day) < looks.cutoff
),

sums as (
    select
        standings.cutoff,
        standings.horizon_days,
        stood.moment,
        sum(stood.repeats)::numeric as repeats,
        sum(stood.repeats * stood.repeats)::numeric as squared_repeats,
        sum(stood.repeats * stood.days)::numeric as repeats_days,
        sum(stood.days)::numeric as days,
        sum(stood.days * stood.days)::numeric as squared_days,
        sum(stood.net_minor) / sum(stood.repeats + 1) as net_per_order
    from standings
    cross join lateral (values
        ('cutoff', standings.repeats, standings.known_days, standings.net_minor),
        ('then', standings.repeats_then, standings.known_days_then, null)
    ) as stood (moment, repeats, days, net_minor)
    where stood.days > 0
    group by standings.cutoff, standings.horizon_days, stood.moment
),

variances as (
    select
        *,
        repeats / days as mean,
        (squared_repeats - 2 * (repeats / days) * repeats_days + (repeats / days) ^ 2 * squared_days - repeats)
        / squared_days as variance
    from sums
),

-- What all customers together tell of one who is not known yet: so many orders in so many days.
priors as (
    select
        cutoff,
        horizon_days,
        moment,
        mean,
        net_per_order,
        case when variance > 0 then mean ^ 2 / variance end as orders,
        case when variance > 0 then mean / variance end as days
    from variances
),

-- Of those who had been as long without an order; and, with no recency, of all.
survival as (
    select
        standings.cutoff,
        standings.horizon_days,
        {{ recency('standings.silent_days_then') }} as recency,
        least(1, (1 + sum(standings.repeats - standings.repeats_then)) / (1 + standings.days_back * sum(
            {{ expected_orders_per_day('priors', 'standings.repeats_then', 'standings.known_days_then') }}
        ))) as share
    from standings
    inner join priors
        on
            standings.cutoff = priors.cutoff
            and standings.horizon_days = priors.horizon_days
            and priors.moment = 'then'
    where standings.known_days_then > 0
    group by standings.cutoff, standings.horizon_days, standings.days_back, grouping sets ((), (
        {{ recency('standings.silent_days_then') }}
    ))
),

predictions as (
    select
        standings.cutoff,
        standings.horizon_days,
        standings.customer_key,
        round(
            {{ expected_orders_per_day('priors', 'standings.repeats', 'standings.known_days') }}
            * standings.horizon_days * coalesce(survival.share, everyone.share, 1)
            * ((5 * priors.net_per_order + standings.net_minor) / (6 + standings.repeats))
        ) as predicted_minor,
        standings.actual_minor,
        standings.recent_minor
    from standings
    inner join priors
        on
            standings.cutoff = priors.cutoff
            and standings.horizon_days = priors.horizon_days
            and priors.moment = 'cutoff'
    left join survival
        on
            standings.cutoff = survival.cutoff
            and standings.horizon_days = survival.horizon_days
            and {{ recency('standings.silent_days') }} = survival.recency
    left join survival as everyone
        on
            standings.cutoff = everyone.cutoff
            and standings.horizon_days = everyone.horizon_days
            and everyone.recency is null
)
{%- endmacro %}

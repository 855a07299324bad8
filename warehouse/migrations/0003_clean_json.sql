-- `json` keeps \u0000 and lone surrogates as they were sent; `jsonb` and `text` refuse them. Staging reads through this:
-- \u0000 is taken out, a lone surrogate becomes U+FFFD, everything else stays as it was.
create function raw.clean_json(document json) returns jsonb
language sql immutable strict parallel safe
return case
  when document::text !~* '\\u(0000|d[89a-f])' then document::jsonb
  else regexp_replace(
    regexp_replace(
      regexp_replace(
        -- After this every backslash starts an escape: \\ and \u005c are the same character.
        replace(document::text, '\\', '\u005c'),
        '\\u0000', '', 'g'
      ),
      '\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})', '\\ufffd', 'g'
    ),
    '(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}', '\\ufffd', 'g'
  )::jsonb
end;

grant execute on function raw.clean_json to transformer;

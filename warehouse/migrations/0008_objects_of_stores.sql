-- A file of an object store may be put back as it once was: its content is known then, but what came between is not
-- undone yet. So a file is known by its content under a name and a time, and its ETag tells it without a download.
alter table ops.files add column etag text not null default '';
alter table ops.files drop constraint files_pkey;
alter table ops.files add primary key (source, stream, sha256, name, modified_at);
comment on table ops.files is
'The files that are loaded whole: one row for each content (SHA-256) under each name and time of change.';
comment on column ops.files.etag is 'What the object store called this content; empty where files have no ETag.';

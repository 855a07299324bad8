-- Run by the image at the first start only. The warehouse itself is POSTGRES_DB.
create database airflow;

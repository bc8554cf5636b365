# Replaces the database with the dump, completely or not at all.
set -eu
pg_restore --dbname=service=podesk --clean --if-exists --no-owner --single-transaction --exit-on-error \
  /work/read-back/work/podesk.dump
echo "The database is as it was when the dump was made."

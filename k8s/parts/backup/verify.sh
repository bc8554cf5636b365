# Restores what was read back into a throw-away database in this pod. So the check needs no rights on the real server,
# no room there, and cannot touch its data.
set -eu
unset PGSERVICE PGSERVICEFILE
export PGHOST=/work PGUSER=check PGDATA=/work/check

start_server() {
  initdb --auth=trust --username=check > /dev/null
  pg_ctl start --wait --silent --log=/work/check.log \
    --options="-c listen_addresses= -c unix_socket_directories=/work -c fsync=off" || { cat /work/check.log; exit 1; }
}

start_server
createdb podesk
pg_restore --dbname=podesk --no-owner --no-privileges --exit-on-error /work/read-back/work/podesk.dump
rows=$(psql --dbname=podesk --no-align --tuples-only \
  --command="SELECT (SELECT count(*) FROM django_migrations) * (SELECT count(*) FROM accounts_user)")
pg_ctl stop --mode=immediate --silent
[ "$rows" -gt 0 ] || { echo "The restored database has no users."; exit 1; }
echo "The backup was restored into a throw-away database."

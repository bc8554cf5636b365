# Dumps the database. The image is that of the server, so the versions always match.
set -eu
umask 027
pg_dump --format=custom --file=/work/podesk.dump

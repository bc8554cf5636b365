# Read by other scripts: gives restic its variables, from the Secret's files.
set -eu
umask 027
for file in /run/podesk/backup/*; do
  export "$(basename "$file")=$(cat "$file")"
done
export RESTIC_CACHE_DIR=/work/cache

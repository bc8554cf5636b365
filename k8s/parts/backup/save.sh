# Saves the dump and the keys in the repository, reads the new one back, and removes old backups.
. /run/podesk/scripts/repository.sh

create_if_missing() {
  # A wrong passphrase fails in both commands, so an existing repository is never replaced.
  restic cat config > /dev/null 2> /work/why || restic init || { cat /work/why >&2; exit 1; }
}

wait_for_locks() {
  # A run that was killed in another pod leaves a lock, which restic takes for valid during half an hour.
  for _ in $(seq 200); do
    restic unlock > /dev/null # removes only locks that are no longer valid
    [ -n "$(restic list locks --no-lock)" ] || return 0
    echo "The repository is locked. Trying again in 10 seconds."
    sleep 10
  done
  exit 1
}

save() {
  cp -L /run/podesk/keys/* /work/keys/
  restic backup --host podesk --tag podesk-database /work/podesk.dump /work/keys
  rm -r /work/keys/*
}

remove_old() {
  restic forget --tag podesk-database --group-by tags --keep-last 3 --keep-daily "${BACKUP_KEEP_DAILY:-7}" \
    --keep-weekly "${BACKUP_KEEP_WEEKLY:-4}" --keep-monthly "${BACKUP_KEEP_MONTHLY:-6}" --prune
}

verify() {
  # A tenth of the data each day, so all of it within ten days.
  restic check --read-data-subset="$((10#$(date +%j) % 10 + 1))/10"
  restic restore latest --host podesk --tag podesk-database --include /work/podesk.dump --verify --target /work/read-back
  chmod -R g+rX /work/read-back # restic gives folders to its own account alone
}

create_if_missing
wait_for_locks
save
verify
remove_old
restic snapshots --tag podesk-database --compact # for the log

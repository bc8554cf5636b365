# Reads a dump from the repository.
. /run/podesk/scripts/repository.sh
restic unlock
restic restore "$SNAPSHOT" --host podesk --tag podesk-database --include /work/podesk.dump --verify --target /work/read-back
chmod -R g+rX /work/read-back # restic gives folders to its own account alone

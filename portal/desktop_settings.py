"""Define the settings of desktops and their runtimes. docs/settings.md explains each."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from portal import env
from portal.base_settings import DATA_DIR, DEBUG, PUBLIC_URL

# --- Desktops ------------------------------------------------------------------------------------------------------
# Marks every object that this portal creates in a cluster or on a machine, so that two portals never share one.
INSTALLATION_ID = env.text("INSTALLATION_ID", "podesk")
DESKTOP_RUNTIME = env.choice("DESKTOP_RUNTIME", "local", ("local", "kubernetes"))
LOCAL_RUNTIME_ALLOWED = env.flag("LOCAL_RUNTIME_ALLOWED", DEBUG)
# Directory of the local runtime: homes, logs, sockets. The unprivileged account must be able to enter it.
LOCAL_RUNTIME_DIR = Path(env.text("LOCAL_RUNTIME_DIR", str(DATA_DIR / "local"))).resolve()
# Account that runs local desktops when root starts the portal.
LOCAL_DESKTOP_USER = env.unprivileged_account("LOCAL_DESKTOP_USER", "podesk")
# Seconds from the job until a desktop must be ready. A known reason to wait has its own timeout.
START_DEADLINE = env.integer("START_DEADLINE", 120, minimum=5)
# Seconds between two full comparisons of rows and runtime. The portal watches for changes in between.
RELIST_SECONDS = env.integer("RELIST_SECONDS", 5 if DESKTOP_RUNTIME == "local" else 30, minimum=1)
# Seconds before an object without a row is deleted as an orphan: the row of a new launch may not be committed yet.
ORPHAN_GRACE = env.integer("ORPHAN_GRACE", 60)
RUN_HISTORY_DAYS = env.integer("RUN_HISTORY_DAYS", 400, minimum=0)  # after a run's end; 0 keeps it without limit
# Kept files are deleted so many days after their desktop; 0: never. Their owner sees the date for the notice first.
KEPT_FILES_DAYS = env.integer("KEPT_FILES_DAYS", 0, maximum=36_500)
KEPT_FILES_NOTICE_DAYS = env.integer("KEPT_FILES_NOTICE_DAYS", 14, minimum=1, maximum=36_500)
USAGE_SAMPLE_SECONDS = env.integer("USAGE_SAMPLE_SECONDS", 60, minimum=0)  # 0 takes no samples
# A folder with a file for each of the next two, or for a credential of restic, if they are not in the environment.
BACKUP_SECRETS_DIR = Path(env.text("BACKUP_SECRETS_DIR", "/nonexistent"))
_backup_secrets = env.folder(BACKUP_SECRETS_DIR)
# Where home folders are backed up: a location of restic under which each has a repository. Empty: no backups.
BACKUP_REPOSITORY = env.text("BACKUP_REPOSITORY", _backup_secrets.get("BACKUP_REPOSITORY", "")).rstrip("/")
# The passwords of all repositories are derived from it. Without it no backup can be read.
BACKUP_KEY = env.text("BACKUP_KEY", _backup_secrets.get("BACKUP_KEY", ""))
# The credentials that restic reads from its environment.
BACKUP_ENVIRONMENT = {
    name: value
    for name, value in (_backup_secrets | os.environ).items()
    if name.startswith(("AWS_", "B2_", "AZURE_", "GOOGLE_", "OS_", "ST_", "RCLONE_", "RESTIC_REST_"))
}
BACKUPS_AT_ONCE = env.integer("BACKUPS_AT_ONCE", 2 if DESKTOP_RUNTIME == "local" else 8, minimum=1)
BACKUP_DEADLINE = env.integer("BACKUP_DEADLINE", 6 * 3600, minimum=60)  # seconds until a backup or restore is ended
# How many backups to keep: the last of each hour, day, week and month that has one.
BACKUP_KEEP_HOURLY = env.integer("BACKUP_KEEP_HOURLY", 24)
BACKUP_KEEP_DAILY = env.integer("BACKUP_KEEP_DAILY", 7, minimum=1)
BACKUP_KEEP_WEEKLY = env.integer("BACKUP_KEEP_WEEKLY", 4)
BACKUP_KEEP_MONTHLY = env.integer("BACKUP_KEEP_MONTHLY", 6)
# On a cluster: the image of the Jobs, and networks of the repository that desktops cannot reach.
BACKUP_IMAGE = env.text("BACKUP_IMAGE", "vnc/manager-api:dev")
BACKUP_EGRESS_CIDRS = env.listing("BACKUP_EGRESS_CIDRS")
# Encrypts secrets in the database (VNC passwords). Comma-separated Fernet keys, newest first.
SECRETS_KEYS = env.listing("SECRETS_KEYS")

# --- Kubernetes ----------------------------------------------------------------------------------------------------
K8S_NAMESPACE = env.text("K8S_NAMESPACE", "vnc-pods")  # the namespace of desktops
# The container image for image rows that do not name one.
DESKTOP_IMAGE = env.text("DESKTOP_IMAGE", "vnc/void-desktop:dev")
DESKTOP_PULL_POLICY = env.choice("DESKTOP_PULL_POLICY", "IfNotPresent", ("IfNotPresent", "Always", "Never"))
DESKTOP_PULL_SECRET = env.text("DESKTOP_PULL_SECRET", "")
# How much of a desktop's cores a node reserves for it. The rest is shared with other desktops.
DESKTOP_CPU_REQUEST_PERCENT = env.integer("DESKTOP_CPU_REQUEST_PERCENT", 100, minimum=1, maximum=100)
DESKTOP_STORAGE_CLASS = env.text("DESKTOP_STORAGE_CLASS", "")  # empty: the cluster's default
DESKTOP_ACCESS_MODE = env.choice(
    "DESKTOP_ACCESS_MODE", "ReadWriteOnce", ("ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod")
)
# Addresses that desktops cannot reach, besides each other: by default everything except the internet.
DESKTOP_EGRESS_EXCEPT = env.listing(
    "DESKTOP_EGRESS_EXCEPT", "10.0.0.0/8,100.64.0.0/10,169.254.0.0/16,172.16.0.0/12,192.168.0.0/16"
)
# Name servers besides the pods of the cluster's DNS: the usual two addresses of a node-local name server.
DESKTOP_DNS_CIDRS = env.listing("DESKTOP_DNS_CIDRS", "169.254.20.10/32,169.254.25.10/32")
DESKTOP_EXPOSURE = env.choice("DESKTOP_EXPOSURE", "proxy", ("proxy", "nodeport", "ingress", "loadbalancer"))
DESKTOP_VNC_PORTS = env.port_range("DESKTOP_VNC_PORTS", "30000-31000")
DESKTOP_SSH_PORTS = env.port_range("DESKTOP_SSH_PORTS", "31001-32000")
DESKTOP_NODE_ADDRESS = env.text("DESKTOP_NODE_ADDRESS", "")  # address for users; empty: the address of the node
DESKTOP_INGRESS_HOST = env.text("DESKTOP_INGRESS_HOST", urlsplit(PUBLIC_URL).hostname or "localhost")
DESKTOP_INGRESS_CLASS = env.text("DESKTOP_INGRESS_CLASS", "nginx")
DESKTOP_INGRESS_TLS_SECRET = env.text("DESKTOP_INGRESS_TLS_SECRET", "")
DESKTOP_INGRESS_NAMESPACE = env.text("DESKTOP_INGRESS_NAMESPACE", "ingress-nginx")  # of the controller's pods
# The URL at which the ingress controller checks whether a request may pass.
DESKTOP_INGRESS_AUTH_URL = env.text("DESKTOP_INGRESS_AUTH_URL", "http://podesk-web.vnc-system.svc.cluster.local")

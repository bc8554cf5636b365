"""For each alert, series that fire it and series that do not, in the notation of `promtool test rules`."""

from dataclasses import dataclass, field

Series = dict[str, str]  # expanding values by series; one value for each interval


@dataclass(frozen=True)
class Case:
    fires: Series
    silent: Series
    description: str  # of the alert that fires
    labels: dict[str, str] = field(default_factory=dict)  # besides the severity
    at: str = "10m"
    interval: str = "1m"  # of the values, and of the evaluations of all rules


def launches(ready: str, failed: str) -> Series:
    return {
        'podesk_launches_total{result="ready",reason=""}': ready,
        'podesk_launches_total{result="failed",reason="image_denied"}': failed,
    }


def launch_seconds(fast: str, every: str) -> Series:
    return {
        'podesk_launch_seconds_bucket{le="60.0"}': fast,
        'podesk_launch_seconds_bucket{le="120.0"}': every,
        'podesk_launch_seconds_bucket{le="+Inf"}': every,
        "podesk_launch_seconds_count": every,
    }


def disconnects(fast: str, every: str) -> Series:
    return {
        'podesk_stream_disconnect_seconds_bucket{le="1.0"}': fast,
        'podesk_stream_disconnect_seconds_bucket{le="2.5"}': every,
        'podesk_stream_disconnect_seconds_bucket{le="+Inf"}': every,
    }


def requests(good: str, bad: str) -> Series:
    return {
        'podesk_http_requests_total{route="desktops:home",code="200"}': good,
        'podesk_http_requests_total{route="desktops:home",code="500"}': bad,
    }


def node_ports(leased: int, foreign: int, free: int) -> Series:
    counts = {"leased": leased, "foreign": foreign, "free": free}
    found = {f'podesk_node_ports{{range="vnc",state="{state}"}}': f"{count}x20" for state, count in counts.items()}
    return found | {
        'podesk_node_ports{range="ssh",state="leased"}': "1x20",
        'podesk_node_ports{range="ssh",state="free"}': "9x20",
    }


def rounds(dependency: str) -> Series:
    """Return a controller that leads and has finished its last comparison at second 60; another one waits."""
    return {
        'podesk_controller_leader{instance="a"}': "1x20",
        'podesk_controller_leader{instance="b"}': "0x20",
        'podesk_controller_last_round_timestamp_seconds{instance="a"}': "0 60x20",
        'podesk_controller_last_round_timestamp_seconds{instance="b"}': "0x20",
        'podesk_dependency_up{dependency="runtime"}': dependency,
    }


CASES = {
    "PodeskProcessDown": Case(
        {'up{job="podesk",instance="10.0.0.1:9400"}': "1 0x20"},
        {'up{job="podesk",instance="10.0.0.1:9400"}': "1 0 0 0 1x20", 'up{job="other"}': "0x20"},
        "10.0.0.1:9400 has not answered Prometheus for 5 minutes.",
        {"job": "podesk", "instance": "10.0.0.1:9400"},
    ),
    "PodeskNoController": Case(
        {'podesk_controller_leader{instance="a"}': "1 0x20"},
        {'podesk_controller_leader{instance="a"}': "1 0x20", 'podesk_controller_leader{instance="b"}': "0 1x20"},
        "For 1 minute no controller has led. Desktops do not become ready, and nothing stops those that are idle.",
    ),
    "PodeskControllerStuck": Case(
        rounds(dependency="1x20"),
        rounds(dependency="0x20"),  # PodeskClusterUnavailable says why
        "A controller leads, but it has not finished a full comparison for more than 3 minutes.",
    ),
    "PodeskNoWorkers": Case(
        {"podesk_workers": "2 0x20"},
        {"podesk_workers": "2 1x20"},
        "For 1 minute no worker has reported. Desktops neither start nor stop.",
    ),
    "PodeskQueueStuck": Case(
        {"podesk_queue_oldest_job_seconds": "0+60x20"},
        {"podesk_queue_oldest_job_seconds": "0 59x20"},
        "The oldest job has waited for 10m 0s.",
    ),
    "PodeskLaunchesFail": Case(
        launches(ready="0 3x40", failed="0 1 2 3x40"),
        launches(ready="0 1x40", failed="0 1 2x40"),  # two failures are no trend
        "50% of the launches of the last 30 minutes failed.",
    ),
    "PodeskLaunchesSlow": Case(
        launch_seconds(fast="0 4x40", every="0 4 8x40"),
        launch_seconds(fast="0 9 18x40", every="0 9 18 20x40"),
        "One of ten launches of the last 30 minutes took longer than 1m 48s.",
    ),
    "PodeskClusterUnavailable": Case(
        {'podesk_dependency_up{dependency="runtime"}': "1 0x20"},
        {'podesk_dependency_up{dependency="runtime"}': "1 0 1x20", 'podesk_dependency_up{dependency="redis"}': "0x20"},
        "The cluster's API has not answered the controller for 2 minutes."
        " Running desktops stay open; none starts or stops.",
    ),
    "PodeskDatabaseUnavailable": Case(
        {'podesk_dependency_up{dependency="database"}': "1 0x20"},
        {'podesk_dependency_up{dependency="database"}': "1 0 1x20", 'podesk_dependency_up{dependency="redis"}': "0x20"},
        "The database has not answered the controller for 1 minute. Pages and the API answer with errors.",
    ),
    "PodeskRedisUnavailable": Case(
        {
            'podesk_dependency_up{dependency="redis",instance="a"}': "1x20",
            'podesk_dependency_up{dependency="redis",instance="b"}': "1 0x20",
        },
        {'podesk_dependency_up{dependency="redis"}': "1 0 1x20", 'podesk_dependency_up{dependency="runtime"}': "0x20"},
        "Redis has not answered a controller, or has refused its writes, for 1 minute. Launches wait until it is back.",
    ),
    "PodeskNamespaceQuotaNearlyFull": Case(
        {
            'podesk_namespace_quota{resource="pods",type="used"}': "46x20",
            'podesk_namespace_quota{resource="pods",type="hard"}': "50x20",
        },
        {
            'podesk_namespace_quota{resource="pods",type="used"}': "45x20",
            'podesk_namespace_quota{resource="pods",type="hard"}': "50x20",
            'podesk_namespace_quota{resource="services.loadbalancers",type="used"}': "0x20",
            'podesk_namespace_quota{resource="services.loadbalancers",type="hard"}': "0x20",  # forbidden, not full
        },
        "92% of pods is used.",
        {"resource": "pods"},
    ),
    "PodeskNoRoomOnNodes": Case(
        {
            'podesk_waiting_launches{reason="unschedulable"}': "0 3x20",
            'podesk_waiting_launches{reason="no_matching_node"}': "0 1x20",
        },
        {
            'podesk_waiting_launches{reason="unschedulable"}': "0 3 0x20",
            'podesk_waiting_launches{reason="machine_coming"}': "5x20",
        },
        "For 2 minutes, launches have waited for a node with room, 4 at present.",
    ),
    "PodeskNodePortsNearlyUsedUp": Case(
        node_ports(leased=185, foreign=6, free=9),
        node_ports(leased=175, foreign=5, free=20),
        "4.5% of the node ports for vnc are free.",
        {"range": "vnc"},
    ),
    "PodeskHomeFoldersLost": Case(
        {'podesk_volumes{state="lost"}': "0 2x20"},
        {'podesk_volumes{state="lost"}': "0x20", 'podesk_volumes{state="kept"}': "9x20"},
        "2 home folders that the database names are no longer in the cluster.",
    ),
    "PodeskHomeFolderNearlyFull": Case(
        {'podesk_nearly_full_volumes{percent="95"}': "0 3x60", 'podesk_nearly_full_volumes{percent="80"}': "5x60"},
        {'podesk_nearly_full_volumes{percent="95"}': "3x20 0x40", 'podesk_nearly_full_volumes{percent="80"}': "5x60"},
        "3 home folders of desktops have been filled to 95 % or more for 30 minutes.",
        at="40m",
    ),
    "PodeskStorageNearlyFull": Case(
        {'podesk_storage_bytes{state="free"}': "8x20", 'podesk_storage_bytes{state="used"}': "92x20"},
        {'podesk_storage_bytes{state="free"}': "11x20", 'podesk_storage_bytes{state="used"}': "89x20"},
        "8% of the storage that all home folders share is free.",
    ),
    "PodeskCertificateEndsSoon": Case(
        {"podesk_certificate_expiry_timestamp_seconds": "1209000x20"},  # promtool's time begins at 0
        {"podesk_certificate_expiry_timestamp_seconds": "1216000x20"},
        "The certificate of the portal's public address ends in 13d 23h 40m 0s.",
    ),
    "PodeskDatabaseBackupTooOld": Case(
        {'podesk_database_backup_last_success_timestamp_seconds{kind="daily_copy"}': "0x240"},
        {
            'podesk_database_backup_last_success_timestamp_seconds{kind="daily_copy"}': "0x140 86400x100",
            'podesk_database_backup_last_success_timestamp_seconds{kind="repository"}': "90000x240",
        },
        "The last successful backup of the database (daily_copy) was 1d 14h 0m 0s ago.",
        {"kind": "daily_copy"},
        at="38h",
        interval="10m",
    ),
    "PodeskDatabaseBackupFailing": Case(
        {'podesk_database_backup_failed{kind="daily_copy"}': "0 1x20"},
        {
            'podesk_database_backup_failed{kind="daily_copy"}': "1 0x20",
            'podesk_database_backup_failed{kind="repository"}': "0x20",
        },
        "The last backup of the database (daily_copy) failed.",
        {"kind": "daily_copy"},
    ),
    "PodeskBackupTooOld": Case(
        {"podesk_backup_oldest_saved_timestamp_seconds": "0x240"},
        {"podesk_backup_oldest_saved_timestamp_seconds": "0x140 86400x100"},
        "A home folder with scheduled backups has changes that were last saved 1d 14h 0m 0s ago.",
        at="38h",
        interval="10m",
    ),
    "PodeskBackupsFailing": Case(
        {
            'podesk_backup_repositories{state="failing"}': "0 2x200",
            'podesk_backup_repositories{state="scheduled"}': "9x200",
        },
        {
            'podesk_backup_repositories{state="failing"}': "2x90 0x110",
            'podesk_backup_repositories{state="scheduled"}': "9x200",
        },
        "The backups of 2 home folders have been failing for two hours.",
        at="150m",
    ),
    "PodeskBackupNotVerifiable": Case(
        {
            'podesk_backup_repositories{state="damaged"}': "1x20",
            'podesk_backup_repositories{state="unverified"}': "0x20",
        },
        {'podesk_backup_repositories{state="damaged"}': "0x20", 'podesk_backup_repositories{state="failing"}': "3x20"},
        "The backups of 1 home folders are damaged.",
        {"state": "damaged"},
    ),
    "PodeskManyFailedLogins": Case(
        {
            'podesk_failed_logins_total{result="wrong_password"}': "0+6x20",
            'podesk_failed_logins_total{result="locked"}': "0+1x20",
        },
        {
            'podesk_failed_logins_total{result="wrong_password"}': "0+4x20",
            'podesk_failed_logins_total{result="locked"}': "0+1x20",
        },
        "70 logins failed within 10 minutes.",
    ),
    "PodeskErrorRate": Case(
        requests(good="0+9x20", bad="0+1x20"),
        requests(good="0+97x20", bad="0+3x20"),
        "10% of the requests of the last 10 minutes ended with a status of 500 or above.",
        at="20m",
    ),
    "PodeskDisconnectsSlow": Case(
        disconnects(fast="0 5x40", every="0 5 10x40"),
        disconnects(fast="0 30x40", every="0 30 31x40"),
        "One of twenty screens stayed open for more than 2.35s"
        " after a sign-out, a revoked token or a disabled account.",
    ),
}

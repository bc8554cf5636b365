"""The dashboards of k8s/parts/monitoring/dashboards, as code.

Each panel is a title, a unit of Grafana and queries by legend.
"""

from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")  # chosen at the top of the dashboard
_RATE = "$__rate_interval"


@dataclass(frozen=True)
class PanelSource:
    title: str
    unit: str
    queries: dict[str, str]  # expression by legend
    single: bool = False  # shows the present number instead of a curve


def _p95(metric: str, by: str = "") -> str:
    return f"histogram_quantile(0.95, sum by (le{by and ', ' + by}) (rate({metric}_bucket[{_RATE}])))"


def _p50(metric: str, by: str = "") -> str:
    return _p95(metric, by).replace("0.95", "0.5", 1)


OVERVIEW = [
    PanelSource("Alerts", "none", {"": 'count(ALERTS{alertname=~"Podesk.*",alertstate="firing"}) or vector(0)'}, True),
    PanelSource("Running desktops", "none", {"": 'sum(podesk_desktops{status="running"})'}, True),
    PanelSource("Controllers that lead", "none", {"": "sum(podesk_controller_leader)"}, True),
    PanelSource("Workers", "none", {"": "max(podesk_workers)"}, True),
    PanelSource("Open streams", "none", {"": "sum(podesk_streams)"}, True),
    PanelSource("Version", "none", {"{{version}}": "count by (version) (podesk_build_info)"}, True),
    PanelSource("Desktops by status", "none", {"{{status}}": "sum by (status) (podesk_desktops)"}),
    PanelSource("Dependencies that answer", "none", {"{{dependency}}": "min by (dependency) (podesk_dependency_up)"}),
    PanelSource("Jobs in the queue", "none", {"waiting": "max(podesk_queue_jobs)"}),
    PanelSource("Age of the oldest job", "s", {"oldest": "max(podesk_queue_oldest_job_seconds)"}),
    PanelSource(
        "Seconds since the last full comparison",
        "s",
        {"age": "time() - max(podesk_controller_last_round_timestamp_seconds)"},
    ),
    PanelSource("CPU of each process", "none", {"{{component}}": f"rate(process_cpu_seconds_total[{_RATE}])"}),
]
LAUNCHES = [
    PanelSource("Launches", "none", {"{{result}}": "sum by (result) (increase(podesk_launches_total[1h]))"}),
    PanelSource(
        "Failed launches by reason",
        "none",
        {"{{reason}}": 'sum by (reason) (increase(podesk_launches_total{result="failed"}[1h])) > 0'},
    ),
    PanelSource(
        "Seconds from queued to running",
        "s",
        {"p50": _p50("podesk_launch_seconds"), "p95": _p95("podesk_launch_seconds")},
    ),
    PanelSource("Seconds of each step", "s", {"{{phase}}": _p95("podesk_launch_phase_seconds", "phase")}),
    PanelSource("Launches that wait", "none", {"{{reason}}": "sum by (reason) (podesk_waiting_launches) > 0"}),
    PanelSource(
        "Desktops that failed while they ran",
        "none",
        {"{{reason}}": "sum by (reason) (increase(podesk_desktop_failures_total[1h]))"},
    ),
    PanelSource("Seconds of jobs", "s", {"{{function}}": _p95("podesk_job_seconds", "function")}),
    PanelSource(
        "Failed jobs",
        "none",
        {"{{function}}": 'sum by (function) (increase(podesk_job_seconds_count{result="failed"}[1h]))'},
    ),
]
STREAMS = [
    PanelSource("Open streams", "none", {"{{kind}}": "sum by (kind) (podesk_streams)"}),
    PanelSource(
        "Bytes relayed",
        "Bps",
        {"{{kind}} {{direction}}": f"sum by (kind, direction) (rate(podesk_stream_bytes_total[{_RATE}]))"},
    ),
    PanelSource("Ends by reason", "none", {"{{reason}}": "sum by (reason) (increase(podesk_stream_ends_total[1h]))"}),
    PanelSource(
        "Refused streams", "none", {"{{reason}}": "sum by (reason) (increase(podesk_streams_refused_total[1h]))"}
    ),
    PanelSource(
        "Seconds until the first picture",
        "s",
        {"p50": _p50("podesk_stream_first_picture_seconds"), "p95": _p95("podesk_stream_first_picture_seconds")},
    ),
    PanelSource(
        "Seconds from the end of access until the screen closed",
        "s",
        {"p50": _p50("podesk_stream_disconnect_seconds"), "p95": _p95("podesk_stream_disconnect_seconds")},
    ),
]
CAPACITY = [
    PanelSource(
        "Namespace quota in use",
        "percentunit",
        {
            "{{resource}}": 'max by (resource) (podesk_namespace_quota{type="used"})'
            ' / (max by (resource) (podesk_namespace_quota{type="hard"}) > 0)'
        },
    ),
    PanelSource("Node ports", "none", {"{{range}} {{state}}": "max by (range, state) (podesk_node_ports)"}),
    PanelSource("Home folders", "none", {"{{state}}": "max by (state) (podesk_volumes)"}),
    PanelSource("Size of home folders", "bytes", {"{{state}}": "max by (state) (podesk_volume_requested_bytes)"}),
    PanelSource("Use of home folders", "bytes", {"{{state}}": "max by (state) (podesk_volume_used_bytes)"}),
    PanelSource(
        "Nearly full home folders", "none", {"from {{percent}} %": "max by (percent) (podesk_nearly_full_volumes)"}
    ),
    PanelSource("Storage of one machine", "bytes", {"{{state}}": "max by (state) (podesk_storage_bytes)"}),
    PanelSource("Backups by state", "none", {"{{state}}": "max by (state) (podesk_backup_repositories)"}),
    PanelSource(
        "Age of the oldest change without a backup",
        "s",
        {"age": "time() - max(podesk_backup_oldest_saved_timestamp_seconds)"},
    ),
    PanelSource(
        "Failed backups by reason",
        "none",
        {"{{reason}}": 'sum by (reason) (increase(podesk_backup_tasks_total{result="failed"}[1h])) > 0'},
    ),
    PanelSource("Size of backups", "bytes", {"stored": "max(podesk_backup_stored_bytes)"}),
    PanelSource("Open tasks of backups", "none", {"{{status}}": "max by (status) (podesk_backup_open_tasks)"}),
    PanelSource("Home folders without a row", "none", {"orphaned": "max(podesk_orphaned_volumes)"}),
    PanelSource("Desktops by image", "none", {"{{image}}": "sum by (image) (podesk_desktops)"}),
    PanelSource(
        "Database connections",
        "none",
        {"{{component}} {{state}}": "sum by (component, state) (podesk_database_pool_connections)"},
    ),
    PanelSource(
        "Requests that wait for a connection",
        "none",
        {"{{component}}": "max by (component) (podesk_database_pool_waiting)"},
    ),
]
API = [
    PanelSource("Requests", "reqps", {"{{code}}": f"sum by (code) (rate(podesk_http_requests_total[{_RATE}]))"}),
    PanelSource(
        "Errors by route",
        "reqps",
        {"{{route}}": f'sum by (route) (rate(podesk_http_requests_total{{code=~"5.."}}[{_RATE}]))'},
    ),
    PanelSource(
        "Seconds until the response begins",
        "s",
        {"p50": _p50("podesk_http_request_seconds"), "p95": _p95("podesk_http_request_seconds")},
    ),
    PanelSource("Slowest routes, p95", "s", {"{{route}}": f"topk(10, {_p95('podesk_http_request_seconds', 'route')})"}),
    PanelSource(
        "Rate limit refusals",
        "reqps",
        {"{{limit}}": f"sum by (limit) (rate(podesk_rate_limit_refusals_total[{_RATE}]))"},
    ),
    PanelSource("Failed logins", "none", {"{{result}}": "sum by (result) (increase(podesk_failed_logins_total[1h]))"}),
    PanelSource(
        "Refused tokens", "none", {"{{reason}}": "sum by (reason) (increase(podesk_tokens_refused_total[1h]))"}
    ),
    PanelSource(
        "Calls to the cluster by code",
        "reqps",
        {"{{code}}": f"sum by (code) (rate(podesk_cluster_calls_total[{_RATE}]))"},
    ),
    PanelSource("Seconds of calls to the cluster", "s", {"{{verb}}": _p95("podesk_cluster_call_seconds", "verb")}),
    PanelSource(
        "Watches that began again", "none", {"{{kind}}": "sum by (kind) (increase(podesk_watch_restarts_total[1h]))"}
    ),
]
DASHBOARDS = {"overview": OVERVIEW, "launches": LAUNCHES, "streams": STREAMS, "capacity": CAPACITY, "api": API}


def as_json(name: str) -> str:
    """Return a dashboard as Grafana reads it."""
    title = "API" if name == "api" else name.capitalize()
    made = (
        dashboard.Dashboard(f"Podesk: {title}")
        .uid(f"podesk-{name}")
        .tags(["podesk"])
        .refresh("30s")
        .time("now-6h", "now")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    for panel in DASHBOARDS[name]:
        made.with_panel(_panel(panel))
    return JSONEncoder(sort_keys=True, indent=1).encode(made.build()) + "\n"


def _panel(source: PanelSource) -> stat.Panel | timeseries.Panel:
    if source.single:
        made = stat.Panel().span(4).height(4)
    else:
        made = timeseries.Panel().span(12).height(8).min(0).legend(common.VizLegendOptions().show_legend(True))
    made.title(source.title).unit(source.unit).datasource(_SOURCE)
    for name, (legend, expression) in zip("ABC", source.queries.items(), strict=False):
        made.with_target(prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(name))
    return made

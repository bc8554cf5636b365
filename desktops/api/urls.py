from django.urls import URLPattern, path, register_converter

from desktops.api import (
    admin_pods,
    backup_repositories,
    backups,
    catalog,
    events,
    monitor,
    pod_actions,
    pods,
    url_converters,
    usage_report,
)

register_converter(url_converters.PodName, "pod")

app_name = "desktops_api"
urlpatterns: list[URLPattern] = [
    path("pods", pods.Pods.as_view(), name="pods"),
    path("pods/create", pods.Create.as_view(), name="pod_create"),
    path("pods/<pod:pod_name>", pods.Pod.as_view(), name="pod"),
    path("pods/<pod:pod_name>/start", pod_actions.Start.as_view(), name="pod_start"),
    path("pods/<pod:pod_name>/stop", pod_actions.Stop.as_view(), name="pod_stop"),
    path("pods/<pod:pod_name>/restart", pod_actions.Restart.as_view(), name="pod_restart"),
    path("pods/<pod:pod_name>/extend", pod_actions.Extend.as_view(), name="pod_extend"),
    path("pods/<pod:pod_name>/password", pod_actions.Password.as_view(), name="pod_password"),
    path("pods/<pod:pod_name>/token", pod_actions.Token.as_view(), name="pod_token"),
    path("pods/<pod:pod_name>/logs", pod_actions.Logs.as_view(), name="pod_logs"),
    path("pods/<pod:pod_name>/metrics", pod_actions.Metrics.as_view(), name="pod_metrics"),
    path("pods/<pod:pod_name>/events", events.PodEvents.as_view(), name="pod_events"),
    path("pods/<pod:pod_name>/backups", backups.PodBackups.as_view(), name="pod_backups"),
    path("backups", backups.Backups.as_view(), name="backups"),
    path("backups/<uuid:backup_id>", backups.OneBackup.as_view(), name="backup"),
    path("backups/<uuid:backup_id>/contents", backups.BackupContents.as_view(), name="backup_contents"),
    path("backups/<uuid:backup_id>/file", backups.BackupFile.as_view(), name="backup_file"),
    path("backups/<uuid:backup_id>/restore", backups.RestoreBackup.as_view(), name="backup_restore"),
    path("backups/<uuid:backup_id>/restore-as-new", backups.RestoreBackupAsNew.as_view(), name="backup_restore_as_new"),
    path("backups/<uuid:backup_id>/restore-files", backups.RestoreBackupFiles.as_view(), name="backup_restore_files"),
    path("backup-tasks/<uuid:task_id>", backups.OneBackupTask.as_view(), name="backup_task"),
    path(
        "backup-repositories/<uuid:repository_id>",
        backup_repositories.OneBackupRepository.as_view(),
        name="backup_repository",
    ),
    path("admin/backups", backup_repositories.AnyBackups.as_view(), name="admin_backups"),
    path("images", catalog.Images.as_view(), name="images"),
    path("quota", catalog.MyQuota.as_view(), name="quota"),
    path("volumes", catalog.Volumes.as_view(), name="volumes"),
    path("volumes/<uuid:volume_id>", catalog.OneVolume.as_view(), name="volume"),
    path("admin/pods", admin_pods.AnyPods.as_view(), name="admin_pods"),
    path("admin/pods/<pod:pod_name>", admin_pods.AnyPod.as_view(), name="admin_pod"),
    path("admin/pods/<pod:pod_name>/stop", admin_pods.StopAny.as_view(), name="admin_pod_stop"),
    path("admin/reports/usage", usage_report.UsageReport.as_view(), name="usage_report"),
    path("monitor/", monitor.Monitor.as_view(), name="monitor"),
    path("events", events.Events.as_view(), name="events"),
]

from typing import Any

from channels.auth import AuthMiddlewareStack
from django.urls import URLPattern, path

from desktops.proxy import app as proxy
from desktops.web import backups, ingress_auth, viewer, views
from desktops.web.status_socket import StatusConsumer

relay: Any = proxy.application  # Channels' routes are Django's, with ASGI applications for views
app_name = "desktops"
urlpatterns: list[URLPattern] = [
    path("", views.home, name="home"),
    path("desktops/launch/", views.launch, name="launch"),
    path("desktops/<uuid:desktop_id>/", views.detail, name="detail"),
    path("desktops/<uuid:desktop_id>/panel/", views.panel, name="panel"),
    path("desktops/<uuid:desktop_id>/start/", views.start, name="start"),
    path("desktops/<uuid:desktop_id>/start-with-new-files/", views.start_with_new_files, name="start_with_new_files"),
    path("desktops/<uuid:desktop_id>/stop/", views.stop, name="stop"),
    path("desktops/<uuid:desktop_id>/restart/", views.restart, name="restart"),
    path("desktops/<uuid:desktop_id>/delete/", views.delete, name="delete"),
    path("desktops/<uuid:desktop_id>/usage/", views.usage, name="usage"),
    path("desktops/<uuid:desktop_id>/log/", views.log, name="log"),
    path("desktops/<uuid:desktop_id>/password/", views.password, name="password"),
    path("desktops/<uuid:desktop_id>/open-directly/", ingress_auth.open_directly, name="open_directly"),
    path("desktops/<uuid:desktop_id>/gate/", ingress_auth.authorize, name="gate"),
    path("desktops/<uuid:desktop_id>/view/", viewer.viewer, name="viewer"),
    path("desktops/<uuid:desktop_id>/session-token/", viewer.session_token, name="session_token"),
    path("volumes/<uuid:volume_id>/delete/", views.delete_volume, name="delete_volume"),
    path("volumes/<uuid:volume_id>/postpone/", views.postpone_volume, name="postpone_volume"),
    path("volumes/<uuid:volume_id>/backups/", backups.of_volume, name="backups"),
    path("volumes/<uuid:volume_id>/backups/create/", backups.create, name="back_up_now"),
    path("home-backups/<uuid:repository_id>/", backups.of_repository, name="backups_of_repository"),
    path("home-backups/<uuid:repository_id>/delete/", backups.delete_all, name="delete_backups"),
    path("backups/<uuid:backup_id>/", backups.contents, name="backup"),
    path("backups/<uuid:backup_id>/restore/", backups.restore, name="restore_backup"),
    path("backups/<uuid:backup_id>/restore-as-new/", backups.restore_as_new, name="restore_backup_as_new"),
    path("backups/<uuid:backup_id>/restore-files/", backups.restore_files, name="restore_backup_files"),
    path("backups/<uuid:backup_id>/delete/", backups.delete, name="delete_backup"),
    path("backups/<uuid:backup_id>/file/", backups.file, name="backup_file"),
]
websocket_urlpatterns: list[URLPattern] = [
    path("ws/desktops/<uuid:desktop_id>/vnc", relay),
    path("ws/desktops/<uuid:desktop_id>/ssh", relay, {"permission": "ssh"}),
    path("user/<str:user_id>/vnc", relay),
    # The session is loaded for this route alone: the relay asks for a token and needs none.
    path("ws/status/", AuthMiddlewareStack(StatusConsumer.as_asgi())),
]

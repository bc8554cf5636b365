"""Every service for an action of a user writes one audit event in the same transaction, and is listed here."""

import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

import accounts
import desktops
from accounts import (
    audit_export,
    lockout,
    quota_services,
    services,
    ssh_keys,
    time_zones,
    token_services,
    tokens,
    user_services,
)
from accounts.audit import Actor
from accounts.models import AuditEvent, Quota, SSHKey
from accounts.token_services import TokenRequest
from core.errors import Refusal
from desktops import services as desktop_services
from desktops.lifecycle import desktop_size, kept_files
from desktops.lifecycle.backups import downloads
from desktops.lifecycle.backups import requests as backup_requests
from desktops.lifecycle.desktop_size import ComputeSize
from desktops.models import Backup, BackupRepository, BackupTask, Desktop, Status, Volume
from desktops.services import LaunchRequest

SMALL = ComputeSize(Decimal("0.5"), 512)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH5IkA4UyjKjYCsGZnBAHgm0AAEvJd+9M0ZmEvHVnCNl laptop"


@dataclass(frozen=True)
class Deed:
    does: Callable[[Any], Any]
    action: str
    refused: Callable[[Any], Any] | None = None  # a call that is refused
    result: str = ""  # the slug of that refusal


def service(function: Callable[..., Any], **given: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda world: function(by=world.by, **{name: find(world) for name, find in given.items()})


def of_desktop(function: Callable[..., Any], desktop: str, **given: Any) -> Callable[[Any], Any]:
    return lambda world: function(by=world.by, desktop=getattr(world, desktop), **given)


def launch(name: str, function: Callable[..., Any] = desktop_services.launch) -> Callable[[Any], Any]:
    return lambda world: function(by=world.by, wanted=replace(world.wanted, name=name))


def restore_paths(of: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return service(backup_requests.restore_paths, backup=of, paths=lambda world: ["notes.txt"])


def open_file(path: str) -> Callable[[Any], Any]:
    return service(downloads.open_file, backup=lambda world: world.backup, path=lambda world: path)


DEEDS = {
    services.record_login: Deed(service(services.record_login), "login"),
    services.record_logout: Deed(service(services.record_logout), "logout"),
    services.sign_out_everywhere: Deed(
        service(services.sign_out_everywhere, user=lambda world: world.by.user), "logout.everywhere"
    ),
    services.change_password: Deed(
        service(services.change_password, user=lambda world: world.by.user, password=lambda world: "new password"),
        "password.change",
    ),
    services.password_was_changed: Deed(
        service(services.password_was_changed, user=lambda world: world.by.user), "password.change"
    ),
    services.set_active: Deed(
        service(services.set_active, user=lambda world: world.bob, active=lambda world: False), "user.disable"
    ),
    time_zones.choose_zone: Deed(service(time_zones.choose_zone, zone=lambda world: "Asia/Tokyo"), "time_zone.choose"),
    lockout.unlock: Deed(service(lockout.unlock, user=lambda world: world.bob), "login.unlock"),
    services.delete_user: Deed(service(services.delete_user, user=lambda world: world.bob), "user.delete"),
    token_services.issue_for_login: Deed(
        service(token_services.issue_for_login, wanted=lambda world: TokenRequest("backup")),
        "token.issue",
        lambda world: token_services.issue_for_login(by=world.stale, wanted=TokenRequest("backup")),
        "revoked",
    ),
    token_services.issue_from_token: Deed(
        lambda world: token_services.issue_from_token(by=world.by, claims=world.claims, wanted=TokenRequest("less")),
        "token.issue",
        lambda world: token_services.issue_from_token(
            by=world.by, claims=replace(world.claims, permissions=frozenset()), wanted=TokenRequest("more", ("vnc",))
        ),
        "not_permitted",
    ),
    token_services.issue_for_browser: Deed(
        lambda world: token_services.issue_for_browser(
            by=world.by, wanted=TokenRequest("direct", pod_name=world.running.object_name), session_id="s"
        ),
        "token.issue",
    ),
    token_services.refresh: Deed(
        lambda world: token_services.refresh(by=world.by, claims=world.claims),
        "token.refresh",
        lambda world: token_services.refresh(by=world.by, claims=world.page_claims),
        "not_refreshable",
    ),
    token_services.revoke: Deed(service(token_services.revoke, token=lambda world: world.token), "token.revoke"),
    token_services.revoke_all: Deed(service(token_services.revoke_all), "token.revoke_all"),
    user_services.add_user: Deed(
        service(
            user_services.add_user, fields=lambda world: {"username": "carol", "password": "correct horse battery"}
        ),
        "user.add",
        service(user_services.add_user, fields=lambda world: {"username": "bob", "password": "correct horse battery"}),
        "username_taken",
    ),
    user_services.change_user: Deed(
        service(
            user_services.change_user, user=lambda world: world.bob, fields=lambda world: {"email": "b@example.org"}
        ),
        "user.change",
        service(user_services.change_user, user=lambda world: world.by.user, fields=lambda world: {"is_active": False}),
        "own_account",
    ),
    user_services.was_saved: Deed(
        service(user_services.was_saved, user=lambda world: world.bob, fields=lambda world: ["email"]), "user.change"
    ),
    user_services.delete_user: Deed(
        service(user_services.delete_user, user=lambda world: world.bob),
        "user.delete",
        service(user_services.delete_user, user=lambda world: world.by.user),
        "own_account",
    ),
    quota_services.add_quota: Deed(
        service(
            quota_services.add_quota, quota=lambda world: Quota(user=world.bob, cpu=1), fields=lambda world: ["cpu"]
        ),
        "quota.add",
        service(quota_services.add_quota, quota=lambda world: Quota(user=world.by.user), fields=lambda world: []),
        "quota_exists",
    ),
    quota_services.change_quota: Deed(
        service(quota_services.change_quota, quota=lambda world: world.by.user.quota, fields=lambda world: ["cpu"]),
        "quota.change",
        lambda world: quota_services.change_quota(by=world.by, quota=Quota(user=world.by.user), fields=[]),
        "quota_exists",
    ),
    quota_services.delete_quota: Deed(
        service(quota_services.delete_quota, quota=lambda world: world.by.user.quota), "quota.delete"
    ),
    ssh_keys.add_key: Deed(
        service(ssh_keys.add_key, text=lambda world: KEY),
        "ssh_key.add",
        service(ssh_keys.add_key, text=lambda world: "nonsense"),
        "ssh_key_refused",
    ),
    ssh_keys.delete_key: Deed(service(ssh_keys.delete_key, key=lambda world: world.key), "ssh_key.delete"),
    audit_export.download: Deed(
        lambda world: audit_export.download(AuditEvent.objects.all(), by=world.by, filters={}), "audit.export"
    ),
    desktop_services.launch: Deed(launch("new"), "desktop.launch", launch("two\nlines"), "name_invalid"),
    desktop_services.launch_existing: Deed(
        of_desktop(desktop_services.launch_existing, "stopped"),
        "desktop.start",
        of_desktop(desktop_services.launch_existing, "deleting"),
        "wrong_status",
    ),
    desktop_services.launch_desktop: Deed(
        launch("stopped", desktop_services.launch_desktop),
        "desktop.start",
        launch("deleting", desktop_services.launch_desktop),
        "wrong_status",
    ),
    desktop_services.start_desktop: Deed(
        of_desktop(desktop_services.start_desktop, "stopped"),
        "desktop.start",
        of_desktop(desktop_services.start_desktop, "deleting"),
        "wrong_status",
    ),
    desktop_services.stop_desktop: Deed(
        of_desktop(desktop_services.stop_desktop, "running"),
        "desktop.stop",
        of_desktop(desktop_services.stop_desktop, "gone"),
        "not_found",
    ),
    desktop_services.restart_desktop: Deed(
        of_desktop(desktop_services.restart_desktop, "running"),
        "desktop.restart",
        of_desktop(desktop_services.restart_desktop, "deleting"),
        "wrong_status",
    ),
    desktop_services.delete_desktop: Deed(
        of_desktop(desktop_services.delete_desktop, "stopped", keep_data=True),
        "desktop.delete",
        of_desktop(desktop_services.delete_desktop, "gone", keep_data=True),
        "not_found",
    ),
    desktop_services.extend_desktop: Deed(
        of_desktop(desktop_services.extend_desktop, "running"),
        "desktop.extend",
        of_desktop(desktop_services.extend_desktop, "stopped"),
        "not_running",
    ),
    desktop_services.show_password: Deed(
        of_desktop(desktop_services.show_password, "running"),
        "desktop.password_shown",
        of_desktop(desktop_services.show_password, "stopped"),
        "not_running",
    ),
    backup_requests.back_up_now: Deed(
        service(backup_requests.back_up_now, volume=lambda world: world.running.volume),
        "backup.request",
        service(backup_requests.back_up_now, volume=lambda world: world.gone.volume),
        "volume_lost",
    ),
    backup_requests.restore: Deed(
        service(backup_requests.restore, backup=lambda world: world.backup),
        "backup.restore",
        service(backup_requests.restore, backup=lambda world: world.busy_backup),
        "restore_while_running",
    ),
    backup_requests.restore_as_new: Deed(
        service(backup_requests.restore_as_new, backup=lambda world: world.backup, name=lambda world: "copy"),
        "backup.restore_new",
        service(backup_requests.restore_as_new, backup=lambda world: world.backup, name=lambda world: ""),
        "name_invalid",
    ),
    backup_requests.restore_paths: Deed(
        restore_paths(lambda world: world.backup),
        "backup.restore_files",
        restore_paths(lambda world: world.backup_of_nothing),
        "nothing_to_restore",
    ),
    backup_requests.delete_after_backup: Deed(
        of_desktop(backup_requests.delete_after_backup, "stopped"),
        "desktop.delete_after_backup",
        of_desktop(backup_requests.delete_after_backup, "deleting"),
        "wrong_status",
    ),
    kept_files.postpone: Deed(
        service(kept_files.postpone, volume=lambda world: world.kept),
        "volume.postpone",
        service(kept_files.postpone, volume=lambda world: world.running.volume),
        "no_expiry",
    ),
    backup_requests.delete_files_after_backup: Deed(
        service(backup_requests.delete_files_after_backup, volume=lambda world: world.kept),
        "volume.delete_after_backup",
        service(backup_requests.delete_files_after_backup, volume=lambda world: world.running.volume),
        "volume_in_use",
    ),
    backup_requests.delete_backup: Deed(
        service(backup_requests.delete_backup, backup=lambda world: world.backup),
        "backup.delete",
        service(backup_requests.delete_backup, backup=lambda world: world.busy_backup),
        "being_restored",
    ),
    backup_requests.delete_repository: Deed(
        service(backup_requests.delete_repository, repository=lambda world: world.backup.repository),
        "backup.delete_all",
        service(backup_requests.delete_repository, repository=lambda world: world.busy_backup.repository),
        "being_restored",
    ),
    downloads.open_file: Deed(open_file("notes.txt"), "backup.download", open_file("missing"), "not_found"),
    desktop_size.resize_desktop: Deed(
        of_desktop(desktop_size.resize_desktop, "stopped", size=SMALL),
        "desktop.resize",
        of_desktop(desktop_size.resize_desktop, "deleting", size=SMALL),
        "wrong_status",
    ),
    desktop_services.delete_volume: Deed(
        service(desktop_services.delete_volume, volume=lambda world: world.kept),
        "volume.delete",
        service(desktop_services.delete_volume, volume=lambda world: world.running.volume),
        "volume_in_use",
    ),
}


@pytest.fixture
def wanted(image, small) -> LaunchRequest:
    return LaunchRequest(image, small)


@pytest.fixture
def world(alice, bob, make_desktop, make_backup, wanted, settings) -> SimpleNamespace:
    """Create alice's objects, and bob, who has none."""
    settings.DESKTOP_EXPOSURE = "nodeport"
    settings.KEPT_FILES_DAYS = 30
    kept = {"kept_at": timezone.now(), "expires_at": timezone.now()}
    Quota.objects.create(user=alice, desktops=9, cpu=90, memory_mib=90_000, storage_gib=900)
    by = Actor(alice, "192.0.2.7")
    issued = token_services.issue_for_login(by=by, wanted=TokenRequest("script"))
    page = tokens.issue(alice, scope=tokens.TokenScope("s"))
    running = {"started_at": timezone.now(), "exposed_host": "192.0.2.1", "exposed_vnc": 30000}
    made = SimpleNamespace(
        by=by,
        stale=Actor(type(alice)(pk=alice.pk, username="alice", password="of yesterday"), "192.0.2.7"),
        bob=bob,
        token=issued.token,
        claims=tokens.verify(issued.text),
        page_claims=tokens.verify(page),
        key=SSHKey.objects.create(owner=alice, name="k", public_key="ssh-ed25519 AAAA", fingerprint="f"),
        kept=Volume.objects.create(owner=alice, object_name="home-kept", desktop_name="old", storage_gib=1, **kept),
        wanted=wanted,
        stopped=make_desktop(alice, name="stopped"),
        gone=make_desktop(alice, name="gone"),
        deleting=make_desktop(alice, name="deleting", status=Status.DELETING),
        running=make_desktop(alice, name="running", status=Status.RUNNING, **running),
    )
    made.backup, made.busy_backup = make_backup(made.stopped.volume), backup_of(made.running.volume, alice)
    BackupTask.objects.create(
        repository=made.busy_backup.repository, backup=made.busy_backup, kind="restore", trigger="request"
    )
    made.backup_of_nothing = backup_of(None, alice)
    Desktop.objects.filter(name="gone").delete()  # its row was deleted after it was read
    made.before = AuditEvent.objects.count()
    return made


def backup_of(volume: Volume | None, owner: Any) -> Backup:
    repository = BackupRepository.objects.create(owner=owner, volume=volume, desktop_name="d", storage_gib=1)
    return Backup.objects.create(repository=repository, snapshot=str(repository.pk), trigger="request")


def public_services() -> Iterator[Callable[..., Any]]:
    """Yield the public functions of both apps with a keyword `by`. The API calls these."""
    for package in (accounts, desktops):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not {"tests", "migrations", "api", "runtimes"} & set(found.name.split(".")):
                module = import_module(found.name)
                yield from (each for name, each in vars(module).items() if _is_service(name, each, module.__name__))


def _is_service(name: str, each: Any, module: str) -> bool:
    return bool(
        inspect.isfunction(each)
        and not name.startswith("_")
        and each.__module__ == module
        and module != "accounts.audit"
        and (by := inspect.signature(each).parameters.get("by"))
        and by.kind is inspect.Parameter.KEYWORD_ONLY
    )


def named(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__name__}"


def new_events(world: SimpleNamespace) -> list[AuditEvent]:
    return list(AuditEvent.objects.order_by("pk"))[world.before :]


def test_no_service_is_forgotten():
    assert {named(each) for each in public_services()} == {named(each) for each in DEEDS}


@pytest.mark.parametrize("deed", DEEDS.values(), ids=map(named, DEEDS))
def test_action_is_recorded_once(world, deed):
    deed.does(world)
    (event,) = new_events(world)
    assert (event.action, event.result) == (deed.action, "done")
    assert (event.actor, event.actor_name, event.address) == (world.by.user, "alice", "192.0.2.7")


@pytest.mark.parametrize("deed", DEEDS.values(), ids=map(named, DEEDS))
def test_rolled_back_action_is_not_recorded(world, deed):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        deed.does(world)
        assert new_events(world)
        raise ZeroDivisionError
    assert new_events(world) == []


@pytest.mark.parametrize("deed", [each for each in DEEDS.values() if each.refused], ids=lambda deed: deed.action)
def test_a_refusal_is_told_once_with_its_slug(world, deed):
    with pytest.raises(Refusal) as refused:
        deed.refused(world)
    (event,) = new_events(world)
    assert (event.result, refused.value.slug) == (deed.result, deed.result)
    assert (event.actor, event.actor_name, event.address) == (world.by.user, "alice", "192.0.2.7")


@pytest.mark.parametrize("deed", [each for each in DEEDS.values() if each.action.startswith("desktop.")])
def test_action_on_a_desktop_records_both_of_its_names(world, deed):
    """The event names the desktop even if it was deleted or the action was refused."""
    deed.does(world)
    if deed.refused:
        with pytest.raises(Refusal):
            deed.refused(world)
    known = {(str(row.pk), row.object_name, row.name) for row in (*Desktop.objects.all(), world.gone)}
    for event in new_events(world):
        if event.target not in ("two\nlines", "two�lines", "deleting"):  # the name in the request
            assert (event.target, event.pod_name, event.details["name"]) in known


def test_what_can_be_refused_is_tried_above():
    """Every service that records refusals is listed with one."""
    telling = {named(each) for each in public_services() if "audited" in each.__code__.co_qualname}
    assert telling == {named(each) for each, deed in DEEDS.items() if deed.refused} & telling

"""Users, quotas, session tokens, the audit trail and SSH keys. This app knows nothing about desktops."""

import uuid
from collections.abc import Collection, Iterator
from typing import Any, ClassVar, NoReturn, Self

from django.contrib.auth.models import AbstractUser, Group, UserManager
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.usernames import UsernameKeyField, username_key


class CaseInsensitiveUserManager(UserManager["User"]):
    """Finds people by any spelling of their names. An exact match comes first, since older accounts may clash."""

    use_in_migrations = False

    def named(self, name: str) -> "User | None":
        found = list(self.filter(Q(username=name) | Q(username_key=username_key(name))))
        exact = (user for user in found if user.username == name)
        return next(exact, found[0] if found else None)

    def get_by_natural_key(self, username: str | None) -> "User":
        if username is None or (user := self.named(username)) is None:
            raise self.model.DoesNotExist
        return user


class User(AbstractUser):
    """`id` is a UUID since it appears in URLs and tokens, where a serial number would reveal the number of accounts."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    login_generation = models.PositiveIntegerField(default=0, editable=False)  # incremented to end all logins
    ssh_keys_version = models.PositiveIntegerField(default=0, editable=False)  # incremented when the keys change

    # The zone of this person's desktops. Empty: use the browser's; see accounts.time_zones.
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)
    browser_time_zone = models.CharField(max_length=64, blank=True, editable=False)  # as reported at the last launch

    username_key = UsernameKeyField()

    _stored_username: str | None = None  # the name in the database

    objects: ClassVar[CaseInsensitiveUserManager] = CaseInsensitiveUserManager()

    class Meta(AbstractUser.Meta):
        pass

    @classmethod
    def from_db(  # type: ignore[override]  # the stubs are those of Django 6
        cls, db: str | None, field_names: Collection[str], values: Collection[Any]
    ) -> Self:
        user = super().from_db(db, field_names, values)
        user._stored_username = user.__dict__.get("username")
        return user

    def is_renamed(self) -> bool:
        """Return whether `username` differs from the name in the database, if that was loaded."""
        return self._stored_username is not None and self.username != self._stored_username

    def save(self, *args: Any, **options: Any) -> None:
        if "username" in (options.get("update_fields") or ()):
            options["update_fields"] = {*options["update_fields"], "username_key"}
        super().save(*args, **options)

    def clean(self) -> None:
        """Raises ValidationError for a new name that another account has in any spelling."""
        super().clean()
        if not self.username or not (self._state.adding or self.is_renamed()):
            return
        if User.objects.filter(username_key=username_key(self.username)).exclude(pk=self.pk).exists():
            raise ValidationError({"username": self.unique_error_message(User, ("username",))})

    def get_session_auth_hash(self) -> str:
        return f"{super().get_session_auth_hash()}.{self.login_generation}"

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        return (f"{fallback}.{self.login_generation}" for fallback in super().get_session_auth_fallback_hash())


class BackupPolicy(models.TextChoices):
    """How often home folders are backed up without being asked, from the least to the most often."""

    NEVER = "never", _("never")
    DAILY = "daily", _("daily")
    HOURLY = "hourly", _("hourly")


class Quota(models.Model):
    """Limits for everyone (no user, no group), for a group, or for one user. An empty field is inherited."""

    user = models.OneToOneField(User, models.CASCADE, null=True, blank=True, verbose_name=_("user"))
    group = models.OneToOneField(Group, models.CASCADE, null=True, blank=True, verbose_name=_("group"))
    cpu = models.DecimalField(
        _("CPU cores"), max_digits=6, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    memory_mib = models.PositiveIntegerField(_("memory (MiB)"), null=True, blank=True)
    storage_gib = models.PositiveIntegerField(_("storage (GiB)"), null=True, blank=True)
    gpu = models.PositiveIntegerField(_("GPUs"), null=True, blank=True)
    desktops = models.PositiveIntegerField(_("number of desktops"), null=True, blank=True)
    max_lifetime_minutes = models.PositiveIntegerField(
        _("maximum lifetime (minutes)"),
        null=True,
        blank=True,
        help_text=_("A desktop is stopped this long after its start. 0: never."),
    )
    idle_minutes = models.PositiveIntegerField(
        _("idle time (minutes)"),
        null=True,
        blank=True,
        help_text=_("A desktop is stopped after this long without keyboard, mouse or clipboard input. 0: never."),
    )
    backups = models.CharField(  # noqa: DJ001 - empty is inherited, as in the other fields
        _("scheduled backups"),
        max_length=6,
        choices=BackupPolicy,
        null=True,
        blank=True,
        help_text=_("How often home folders are backed up. Backups on request are always possible."),
    )
    backup_storage_gib = models.PositiveIntegerField(
        _("backup storage (GiB)"), null=True, blank=True, help_text=_("For all backups of a person. 0: no limit.")
    )

    class Meta:
        verbose_name = _("quota")
        verbose_name_plural = _("quotas")
        constraints = [
            models.CheckConstraint(
                condition=Q(user=None) | Q(group=None),
                name="quota_of_user_or_group",
                violation_error_message=_("A quota is for a user or for a group, not for both."),
            ),
            models.UniqueConstraint(
                models.ExpressionWrapper(Q(user=None) & Q(group=None), output_field=models.BooleanField()),
                condition=Q(user=None, group=None),
                name="one_default_quota",
                violation_error_message=_("There is a default quota already. Choose a user or a group."),
            ),
        ]

    def __str__(self) -> str:
        return str(self.user or self.group or _("default for everyone"))


class SessionToken(models.Model):
    """One issued token. The signed text is not stored, only what is needed to list and revoke the token."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)  # the claim `jti`
    user = models.ForeignKey(User, models.CASCADE, related_name="session_tokens", verbose_name=_("user"))
    # The claim `session_id`: shared by all tokens of one login, so that logging out revokes them together.
    session_id = models.CharField(_("session"), max_length=64, db_index=True)
    # Session of the token that issued this one: revoking that token revokes this one too.
    issuer_session = models.CharField(max_length=64, blank=True, db_index=True)
    pod_name = models.CharField(_("desktop"), max_length=63, blank=True)
    permissions: Any = models.JSONField(_("permissions"), default=list)
    label = models.CharField(_("label"), max_length=100, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires"), db_index=True)  # for prune()
    # People and scripts keep tokens with a label; a token without one was issued for a page.
    refresh_until = models.DateTimeField(_("may be refreshed until"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)  # accurate to the minute
    last_used_from = models.GenericIPAddressField(_("last used from"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    revoked_reason = models.CharField(_("reason"), max_length=30, blank=True)

    class Meta:
        verbose_name = _("session token")
        verbose_name_plural = _("session tokens")

    def __str__(self) -> str:
        return f"{self.user} {self.label or self.pod_name or self.id}"


class IdempotentRequest(models.Model):
    """A POST with an Idempotency-Key and its answer. Written by core.api.idempotency only."""

    user = models.ForeignKey(User, models.CASCADE)
    key = models.CharField(max_length=200)
    asked = models.CharField(max_length=64)  # HMAC of the token's rights, method, path and body
    at = models.DateTimeField(default=timezone.now, db_index=True)  # for prune()
    status = models.PositiveSmallIntegerField(default=0)  # 0: in progress
    answer_sealed = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_request_per_idempotency_key")]

    def __str__(self) -> str:
        return self.key


class AppendOnly(TypeError):
    """Events of the audit trail can be added and read, but not changed."""


class AuditEvents(models.QuerySet["AuditEvent"]):
    """Refuses changes. Django itself uses the base manager to clear `actor` when an account is deleted."""

    def update(self, **values: Any) -> NoReturn:
        raise AppendOnly

    def delete(self) -> NoReturn:
        raise AppendOnly

    def bulk_update(self, *args: Any, **options: Any) -> NoReturn:
        raise AppendOnly

    def update_or_create(self, *args: Any, **options: Any) -> NoReturn:
        raise AppendOnly


class AuditEvent(models.Model):
    """Who did what to what, from where, with what result.

    Written in the transaction of the action and never changed, which a database trigger enforces too.
    """

    at = models.DateTimeField(_("time"), default=timezone.now)
    actor = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, verbose_name=_("who"))
    actor_name = models.CharField(_("name"), max_length=150, blank=True)  # remains when the account is deleted
    action = models.CharField(_("action"), max_length=50)
    target = models.CharField(_("target"), max_length=200, blank=True)
    # Object name of the desktop concerned; remains when the desktop is deleted.
    pod_name = models.CharField(_("object name"), max_length=63, blank=True, default="", db_default="")
    address = models.GenericIPAddressField(_("from"), null=True, blank=True)
    result = models.CharField(_("result"), max_length=50, default="done")  # or the slug of the refusal
    details: Any = models.JSONField(_("details"), default=dict, blank=True)

    objects = AuditEvents.as_manager()

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        indexes = [  # GET /api/v1/admin/audit?action=…, actor=, target= or pod_name=, and the admin's filter
            models.Index(fields=["-at", "-id"], name="audit_by_time"),
            models.Index(fields=["pod_name", "-at", "-id"], name="audit_by_pod"),
            models.Index(fields=["action", "-at", "-id"], name="audit_by_action"),
            models.Index(fields=["actor_name", "-at", "-id"], name="audit_by_actor"),
            models.Index(fields=["target", "-at", "-id"], name="audit_by_target"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor_name} {self.action} {self.target}"

    def save(self, *args: Any, **options: Any) -> None:
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> NoReturn:
        raise AppendOnly


class SSHKey(models.Model):
    """A public key that gives SSH access to its owner's desktops. Written by accounts.ssh_keys only."""

    owner = models.ForeignKey(User, models.CASCADE, related_name="ssh_keys", verbose_name=_("owner"))
    name = models.CharField(_("name"), max_length=100)
    public_key = models.TextField(_("public key"))  # type and key, as in authorized_keys, without comment or options
    fingerprint = models.CharField(_("fingerprint"), max_length=60)  # SHA256:…, as ssh-keygen -l shows it
    created_at = models.DateTimeField(_("added"), default=timezone.now)

    class Meta:
        ordering = ["created_at"]
        verbose_name = _("SSH key")
        verbose_name_plural = _("SSH keys")
        constraints = [models.UniqueConstraint(fields=["owner", "fingerprint"], name="one_ssh_key_once_per_owner")]

    def __str__(self) -> str:
        return f"{self.name} ({self.fingerprint})"

    @property
    def kind(self) -> str:
        return self.public_key.partition(" ")[0]

from importlib import import_module

import django.utils.timezone
from django.db import migrations, models

# Beside the rows, which accounts_auditevent_append_only keeps, the whole: TRUNCATE runs no trigger of rows, and CASCADE
# from another table would take this one along. `manage.py flush` truncates too, and is refused; see conftest.py.
#
# What this does not hold against: the role that owns the table may drop or disable both triggers. Where every process
# of the portal uses that role, as in k8s/parts/postgres, so may an attacker in one of them. docs/security.md says how
# an operator gives them a role that is not the owner.
_POSTGRESQL = """
CREATE TRIGGER accounts_auditevent_no_truncate BEFORE TRUNCATE ON accounts_auditevent
FOR EACH STATEMENT EXECUTE FUNCTION accounts_auditevent_append_only();
"""
_NOT_ON_POSTGRESQL = "DROP TRIGGER accounts_auditevent_no_truncate ON accounts_auditevent"
# SQLite has made the table anew, without its trigger.
_SQLITE = """
CREATE TRIGGER accounts_auditevent_append_only BEFORE UPDATE ON accounts_auditevent
WHEN NEW.actor_id IS NOT NULL
  OR (OLD.id, OLD.at, OLD.actor_name, OLD.action, OLD.target, OLD.pod_name, OLD.address, OLD.result, OLD.details)
  IS NOT (NEW.id, NEW.at, NEW.actor_name, NEW.action, NEW.target, NEW.pod_name, NEW.address, NEW.result, NEW.details)
BEGIN
  SELECT RAISE(ABORT, 'the audit trail is append-only');
END
"""
_NOT_ON_SQLITE = "DROP TRIGGER IF EXISTS accounts_auditevent_append_only"


def lock(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(_POSTGRESQL)
    else:
        schema_editor.execute(_NOT_ON_SQLITE)
        schema_editor.execute(_SQLITE)


def unlock(apps, schema_editor):
    schema_editor.execute(_NOT_ON_POSTGRESQL if schema_editor.connection.vendor == "postgresql" else _NOT_ON_SQLITE)


def nothing(apps, schema_editor):
    pass


def lock_as_before(apps, schema_editor):
    """On the way back SQLite has made the table anew once more."""
    if schema_editor.connection.vendor != "postgresql":
        import_module("accounts.migrations.0006_audit_append_only").lock(apps, schema_editor)


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0007_token_issuer'),
    ]

    operations = [
        migrations.RunPython(nothing, lock_as_before),
        migrations.AddField(
            model_name='auditevent',
            name='pod_name',
            # A default of the database too: while a new version comes, the old one writes events without it.
            field=models.CharField(blank=True, db_default='', default='', max_length=63, verbose_name='object name'),
        ),
        migrations.AlterField(
            model_name='auditevent',
            name='at',
            field=models.DateTimeField(default=django.utils.timezone.now, verbose_name='time'),
        ),
        migrations.AddIndex(
            model_name='auditevent',
            index=models.Index(fields=['-at', '-id'], name='audit_by_time'),
        ),
        migrations.AddIndex(
            model_name='auditevent',
            index=models.Index(fields=['pod_name', '-at', '-id'], name='audit_by_pod'),
        ),
        migrations.RunPython(lock, unlock),
    ]

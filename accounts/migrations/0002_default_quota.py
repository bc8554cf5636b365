"""The default quota, so that a new installation limits everybody from the first day."""

from django.db import migrations


def create(apps, schema_editor):
    apps.get_model("accounts", "Quota").objects.create(
        cpu=2, memory_mib=4096, storage_gib=10, gpu=0, desktops=1, max_lifetime_minutes=0, idle_minutes=120
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]

"""One account for each name, whatever its case and Unicode form. Of accounts that clash already, the oldest gets the
key and the others stay without, so that this cannot fail; `manage.py check --database default` lists them."""

from django.db import migrations

import accounts.usernames
from accounts.usernames import username_key


def fill(apps, schema_editor):
    users = apps.get_model("accounts", "User").objects.using(schema_editor.connection.alias)
    known = set()
    for pk, name in list(users.order_by("date_joined", "pk").values_list("pk", "username")):
        key = username_key(name)
        if key not in known:
            known.add(key)
            users.filter(pk=pk).update(username_key=key)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_ssh_keys_version")]

    operations = [
        migrations.AlterModelManagers(name="user", managers=[]),
        migrations.AddField("user", "username_key", accounts.usernames.UsernameKeyField()),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]

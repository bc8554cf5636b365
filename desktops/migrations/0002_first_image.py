"""One image and three sizes, so that a new installation can launch at once. All may be changed in the admin.

The pages translate these names as long as they are as they came.
"""

from django.db import migrations
from django.utils.translation import gettext_noop as _

SIZES = [  # name, cores, MiB, GiB
    (_("Small"), 1, 2048, 5),
    (_("Medium"), 2, 4096, 10),
    (_("Large"), 4, 8192, 20),
]


def create(apps, schema_editor):
    size_model = apps.get_model("desktops", "DesktopSize")
    image = apps.get_model("desktops", "DesktopImage").objects.create(
        name=_("Linux desktop"),
        description=_("Terminal, files and a browser"),
        image="vnc/void-desktop:latest",
    )
    for name, cpu, memory_mib, storage_gib in SIZES:
        image.sizes.add(size_model.objects.create(name=name, cpu=cpu, memory_mib=memory_mib, storage_gib=storage_gib))


class Migration(migrations.Migration):
    dependencies = [("desktops", "0001_initial")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]

"""One image and three sizes, so that a new installation can launch at once. All may be changed in the admin."""

from django.db import migrations

SIZES = [  # name, cores, MiB, GiB
    ("Small", 1, 2048, 5),
    ("Medium", 2, 4096, 10),
    ("Large", 4, 8192, 20),
]


def create(apps, schema_editor):
    size_model = apps.get_model("desktops", "DesktopSize")
    image = apps.get_model("desktops", "DesktopImage").objects.create(
        name="Linux desktop",
        description="Terminal, files and a browser",
        image="vnc/void-desktop:latest",
    )
    for name, cpu, memory_mib, storage_gib in SIZES:
        image.sizes.add(size_model.objects.create(name=name, cpu=cpu, memory_mib=memory_mib, storage_gib=storage_gib))


class Migration(migrations.Migration):
    dependencies = [("desktops", "0001_initial")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]

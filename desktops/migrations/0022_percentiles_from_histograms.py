from django.db import migrations


class Migration(migrations.Migration):
    """Remove the percentiles from the rows. They are computed from the histograms, which stay, when they are read."""

    dependencies = [
        ("desktops", "0021_storage_periods"),
    ]

    operations = [
        migrations.RemoveField(model_name="runusage", name="cpu_p95"),
        migrations.RemoveField(model_name="runusage", name="memory_p95"),
    ]

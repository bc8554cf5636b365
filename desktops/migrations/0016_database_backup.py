import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("desktops", "0015_home_usage")]

    operations = [
        migrations.CreateModel(
            name="DatabaseBackup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("started_at", models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                ("succeeded_at", models.DateTimeField(blank=True, null=True)),
                ("size_bytes", models.PositiveBigIntegerField(default=0)),
            ],
        ),
    ]
